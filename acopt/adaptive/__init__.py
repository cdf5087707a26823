"""Execution that adapts: prices and volumes that are drawn, policies that answer them, and programs that learn."""
