from .population import draw_stars
