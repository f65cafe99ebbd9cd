"""Every promise at its hardest: larger, longer and at random; each test is seen from outside and prints its figure."""
