"""Why a pod with claims gets no node, or not this one; the messages are those that people read."""


class Nowhere(Exception):
    """The pod cannot go anywhere as things are."""


class Failed(Exception):
    """The pod could not be judged, or its claims could not be written."""


class Unworkable(Exception):
    """Something is wrong with a claim or a class, whatever there is."""


class Unavailable(Exception):
    """Nothing on this node, for a reason of its own; on others there may be."""
