"""What a cluster may have beside its control plane: programs that see only the ``Client``."""
