"""Retention: old usage records leave the database for Parquet files, and are restored from them."""
