"""Events that a multiplayer server reports on behalf of its players; imports no pygame."""
