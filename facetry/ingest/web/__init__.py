"""Pages and pictures from the web: fetched safely and politely, and never twice."""
