"""The terminal face: it draws views, and knows nothing of where they come from. The only room that imports Textual."""
