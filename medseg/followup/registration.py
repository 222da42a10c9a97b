"""Where the points of one study lie in another: rigid or affine registration by mutual information (SimpleITK).

Both images are brought onto grids along the axes of the world, whose coordinates ITK takes as its own: so no frame has
to be turned, and what is found maps world mm (RAS+) to world mm. Sizes are never measured on anything registered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from medseg.errors import GeometryError, UnknownSpacingError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.resample import covered, resample

__all__ = ["Found", "Kind", "find_transform", "world_grid"]

Kind = Literal["rigid", "affine"]
_VOXELS = 1 << 21  # of a working grid
_FINEST_MM = 1.0
_SAMPLES = 30_000  # voxels that the metric looks at
_BINS = 48
_SMALLEST = 16  # voxels of the shortest axis that a coarse level keeps
_ROUNDS = 150
_STEP_MM = 0.001  # the last one
_CLIPPED = (0.5, 99.5)  # percentiles beyond which values are clipped: metal would take the histogram's bins


@dataclass(frozen=True, eq=False)
class Found:
    """What registration found.

    Args:
        matrix: World mm of the fixed image to world mm of the moving one, shape (ndim + 1, ndim + 1).
        metric: Mutual information (Mattes) with it, in nats, and
        before: without it; NaN where the images do not meet.
        spacing_mm: Of the coarser one of the two working grids.
    """

    matrix: np.ndarray
    metric: float
    before: float
    spacing_mm: float


def find_transform(fixed: Image, moving: Image, kind: Kind, seed: int = 0) -> Found:
    """Register one image to another; nothing is checked here (see `medseg.followup.registration_check`).

    Mattes' mutual information of the first channels (Mattes 2003, doi:10.1109/TMI.2003.809072), from coarse to fine,
    by gradient descent in steps that shrink. It begins where the metric is the best among the positions that the files
    state, the middles of both images laid on one another, and their centres of mass. An affine one goes on from the
    rigid one.

    Args:
        fixed: Its first channel is looked at.
        moving: Another study; of another modality perhaps.
        kind: "rigid" (turned and shifted) or "affine" (also scaled and sheared).
        seed: Of the sampling.

    Raises:
        UnknownSpacingError: An image has no spacing.
        GeometryError: One is 2D and the other 3D, or nothing meets.
    """
    pair = _Pair.of(fixed, moving, seed)
    start, _value = max(((one, pair.value(one)) for one in pair.starts()), key=lambda found: found[1])
    found = pair.optimised(start, (4, 2, 1))
    if kind == "affine":
        found = pair.optimised(_affine(found), (2, 1))
    identity = _euler(pair.fixed)
    return Found(_matrix(found, fixed.geometry.ndim), pair.value(found), pair.value(identity), pair.spacing_mm)


def world_grid(geometry: Geometry, most: int = _VOXELS) -> Geometry:
    """A grid along the axes of the world that holds all of another one, of cubic voxels, not more than so many."""
    low, high = (edge(_edges(geometry), axis=0) for edge in (np.min, np.max))
    size = high - low
    step = max(min(*geometry.step), _FINEST_MM, float(np.prod(size) / most) ** (1 / geometry.ndim))
    shape = np.maximum(1, np.ceil(size / step - 1e-6)).astype(int)
    affine = np.diag([*[step] * geometry.ndim, 1.0])
    affine[:-1, -1] = (low + high) / 2 - step * (shape - 1) / 2
    return Geometry(tuple(shape.tolist()), affine)


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two images as ITK sees them, with where each has voxels."""

    fixed: Any
    moving: Any
    fixed_mask: Any
    moving_mask: Any
    spacing_mm: float
    seed: int

    @classmethod
    def of(cls, fixed: Image, moving: Image, seed: int) -> "_Pair":
        if fixed.geometry.ndim != moving.geometry.ndim:
            raise GeometryError("registration", "a picture and a volume", "Give two volumes, or two pictures.")
        for image in (fixed, moving):
            if not image.geometry.spacing_known:
                mend = "Give the spacing of the image."
                raise UnknownSpacingError("registration", "an image of unknown spacing", mend)
        one, one_mask = _itk(fixed)
        other, other_mask = _itk(moving)
        return cls(one, other, one_mask, other_mask, max(one.GetSpacing()[0], other.GetSpacing()[0]), seed)

    def starts(self) -> list[Any]:
        """Where to begin: as it is, middle on middle, and mass on mass."""
        import SimpleITK

        itk = SimpleITK.CenteredTransformInitializerFilter
        kind = _euler(self.fixed)
        return [
            kind,
            *(
                SimpleITK.CenteredTransformInitializer(self.fixed, self.moving, _euler(self.fixed), way)
                for way in (itk.GEOMETRY, itk.MOMENTS)
            ),
        ]

    def value(self, transform: Any) -> float:
        """Mutual information under a transform; NaN taken as nothing, where nothing meets."""
        method = self._method()
        method.SetInitialTransform(transform, inPlace=False)
        try:
            return -float(method.MetricEvaluate(self.fixed, self.moving))
        except RuntimeError:  # ITK: all samples map outside the moving image
            return -1.0

    def optimised(self, start: Any, coarse: Sequence[int]) -> Any:
        """The transform that the metric is best with, from coarse to fine."""
        import SimpleITK

        levels = [n for n in coarse if min(self.fixed.GetSize()) >= n * _SMALLEST or n == 1]
        method = self._method()
        sizes = [self.fixed.GetNumberOfPixels() / n ** self.fixed.GetDimension() for n in levels]
        method.SetMetricSamplingPercentagePerLevel([min(1.0, _SAMPLES / n) for n in sizes], self.seed + 1)
        method.SetShrinkFactorsPerLevel(levels)
        method.SetSmoothingSigmasPerLevel([n / 2 if n > 1 else 0.0 for n in levels])
        method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=2.0, minStep=_STEP_MM, numberOfIterations=_ROUNDS, relaxationFactor=0.6,
            gradientMagnitudeTolerance=1e-8,
        )  # fmt: skip
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(start, inPlace=False)
        try:
            found = method.Execute(self.fixed, self.moving)
        except RuntimeError as error:
            mend = "Look at both images: do they show the same part of the body? Else give --register none."
            raise GeometryError("registration", "the images do not meet", mend) from error
        return (
            SimpleITK.CompositeTransform(found).GetNthTransform(0) if found.GetName() == "CompositeTransform" else found
        )

    def _method(self) -> Any:
        import SimpleITK

        method = SimpleITK.ImageRegistrationMethod()
        method.SetNumberOfThreads(1)  # the sum of several threads differs in its last bits from run to run
        method.SetMetricAsMattesMutualInformation(_BINS)
        method.SetMetricSamplingStrategy(method.RANDOM)
        share = min(1.0, _SAMPLES / max(1, self.fixed.GetNumberOfPixels()))
        method.SetMetricSamplingPercentage(share, self.seed + 1)  # 0 would stand for the clock
        method.SetMetricFixedMask(self.fixed_mask)
        method.SetMetricMovingMask(self.moving_mask)
        method.SetInterpolator(SimpleITK.sitkLinear)
        return method


def _itk(image: Image) -> tuple[Any, Any]:
    """The first channel on a grid along the world's axes, and where it has voxels."""
    grid = world_grid(image.geometry)
    voxels = image.voxels[:1].astype(np.float32)
    finite = np.isfinite(voxels)
    thinned = voxels[finite][:: max(1, voxels.size // 200_000)]
    if not thinned.size or np.ptp(thinned) == 0:
        raise GeometryError(
            image.source or "registration", "an image of a single value", "Give one that shows something."
        )
    low, high = np.percentile(thinned, _CLIPPED)
    voxels = np.clip(np.where(finite, voxels, low), low, high if high > low else thinned.max())
    drawn = resample(voxels, image.geometry, grid, outside=float(low))[0]
    return _placed(drawn, grid), _placed(covered(image.geometry, grid).astype(np.uint8), grid)


def _placed(array: np.ndarray, grid: Geometry) -> Any:
    import SimpleITK

    picture = SimpleITK.GetImageFromArray(np.ascontiguousarray(array.T))
    picture.SetSpacing(grid.step)
    picture.SetOrigin(grid.affine[:-1, -1].tolist())
    return picture


def _euler(fixed: Any) -> Any:
    """No motion, about the middle of an image."""
    import SimpleITK

    ndim = fixed.GetDimension()
    transform = SimpleITK.Euler3DTransform() if ndim == 3 else SimpleITK.Euler2DTransform()
    transform.SetCenter(fixed.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in fixed.GetSize()]))
    return transform


def _affine(rigid: Any) -> Any:
    import SimpleITK

    transform = SimpleITK.AffineTransform(rigid.GetDimension())
    transform.SetCenter(rigid.GetCenter())
    transform.SetMatrix(rigid.GetMatrix())
    transform.SetTranslation(rigid.GetTranslation())
    return transform


def _matrix(transform: Any, ndim: int) -> np.ndarray:
    """The map of points as a matrix: where it brings the origin and the unit vectors."""
    matrix = np.eye(ndim + 1)
    matrix[:-1, -1] = transform.TransformPoint([0.0] * ndim)
    for axis, unit in enumerate(np.eye(ndim)):
        matrix[:-1, axis] = np.subtract(transform.TransformPoint(unit.tolist()), matrix[:-1, -1])
    return matrix


def _edges(geometry: Geometry) -> np.ndarray:
    """World positions of the outer corners of a grid, half a voxel outside the outermost centres."""
    index = geometry.to_index(geometry.corners)
    return geometry.to_world(index + np.where(index > np.divide(geometry.shape, 2) - 0.5, 0.5, -0.5))
