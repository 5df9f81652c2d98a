"""Fixtures for test suites that want a cluster; imports the rest only inside them."""
