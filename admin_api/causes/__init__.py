"""Causes of trouble, what a person does about each, and the machine names that lead to them."""
