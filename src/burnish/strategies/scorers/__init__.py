"""Scorers: opinions on programs and on beginnings of programs. They guide a search and prove nothing."""
