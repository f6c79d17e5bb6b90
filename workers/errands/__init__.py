"""What a courier is sent for: a delivery, a fetch, what follows from a change."""
