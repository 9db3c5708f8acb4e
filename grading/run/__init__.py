"""Grade a class, and grade it again."""
