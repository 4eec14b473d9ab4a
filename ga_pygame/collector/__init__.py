"""The collector: a local server that speaks the services' protocols, stores what it receives and shows it."""
