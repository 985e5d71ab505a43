//! Businesses, categories, products, variants, images and stock.
