"""Published studies: recipes, runs, and what their claims are worth."""
