"""The way to and from a learning management system: collect, export, return feedback."""
