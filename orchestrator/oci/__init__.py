"""The field's nouns; pure."""
