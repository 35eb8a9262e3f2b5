"""What two or more processes of dlms-bridge share; it knows none of them."""
