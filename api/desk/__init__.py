"""What clients order, bring and take away, whatever channel they come by."""
