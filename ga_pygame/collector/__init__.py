"""The collector: a local server that speaks the services' protocols, keeps what it gets and shows it."""
