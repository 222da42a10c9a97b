"""medseg"""
