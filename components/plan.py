"""The component `plan`."""

from kfp import dsl

from components.image_names import DATA_IMAGE


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def plan(num_parts: int) -> list[str]:
    """Divide the work on the source's listings into parts that tasks do side by side.

    Args:
        num_parts: How many.

    Returns:
        The parts, written as 1/4, 2/4, …
    """
    from facetry import parts

    return [str(part) for part in parts.plan(num_parts)]
