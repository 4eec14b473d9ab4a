"""The store on ClickHouse: any number of collectors keep their events in one database."""
