"""What is told to other people's servers, and the secrets that it is signed with."""
