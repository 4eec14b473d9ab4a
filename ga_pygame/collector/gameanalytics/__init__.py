"""GameAnalytics' server side."""
