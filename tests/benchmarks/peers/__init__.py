"""The same work as users of other stream processors would write it."""
