"""Mutation testing: does some test fail when one place of the algebra or of the certificate is changed?"""
