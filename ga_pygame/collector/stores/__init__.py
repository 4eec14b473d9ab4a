"""What a collector keeps and asks: the contract, and the store of one machine that fulfils it."""
