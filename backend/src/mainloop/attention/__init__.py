"""What reaches the person, when and where: decided by one pure function, carried out once."""
