"""The three levels as drawings, and the parsed `Level` that the world reads.

Legend: `#` ground, `B` brick, `=` cloud (solid from above), `^` spikes, `J` spring, `c` coin, `G` gem,
`S` slime, `b` bat, `o` saw, `-` and `|` moving platforms, `C` checkpoint, `P` start, `F` flag.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

TILE = 36
ROWS = 15
EMPTY, SOLID, CLOUD, SPIKES, SPRING = range(5)

MEADOW = (
    """
    ...............c.c......
    ........................
    ..............====......
    ........................
    ..P......ccc............
    ########################
    ########################
    ########################
    """,
    """
    ..........c.c.........
    .........c...c........
    ......................
    ............####......
    .....S......####...S..
    ##########..##########
    ##########..##########
    ##########..##########
    """,
    """
    ........G.........
    ..................
    .......===........
    ..................
    ..............cc..
    ..................
    .............===..
    ..................
    ...J..............
    ##################
    ##################
    ##################
    """,
    """
    .....c..c..c......
    ..................
    ..................
    #####........#####
    #####...-....#####
    #####........#####
    """,
    """
    ..............b.......
    ......................
    .......cccc...........
    ......................
    ......======..........
    ......................
    .C.........^^.....S...
    ######################
    ######################
    ######################
    """,
    """
    .................cc....
    .......................
    .......cc...B...####...
    ........S...B...####S..
    #####..######...#######
    #####..######...#######
    #####..######...#######
    """,
    """
    ....c.c....
    ...c...c...
    ...........
    ...........
    .......F...
    ###########
    ###########
    ###########
    """,
)

RIDGE = (
    """
    ..............cc....
    .P..................
    #####........####...
    #####..cc....####...
    #####.......#####S..
    ######...###########
    ######...###########
    ######...###########
    """,
    """
    ......c....c....c.....
    ......................
    ......................
    .....===..===..===....
    ......................
    ###................###
    ###^^^^^^^^^^^^^^^^###
    ######################
    """,
    """
    ..........G...........
    ......................
    .........===..........
    ...............b......
    ......cc..............
    ......................
    .....BBB....cc........
    ..............S.......
    .J........^^..........
    ######################
    ######################
    ######################
    """,
    """
    ...........c..........
    ..............#######.
    ..............#######.
    .......c......#######.
    ..............#######.
    ####......|...########
    ####..........########
    ####..........########
    ####..........########
    """,
    """
    ....b.........b.......
    ......................
    .C.....cc.cc..........
    ##........S...........
    ##....BBBBBBBB........
    ##....................
    ########^^^^^^^^^^####
    ######################
    ######################
    """,
    """
    .......c.....c........
    ......................
    ......................
    ####..............####
    ####...-......-...####
    ####..............####
    """,
    """
    ...............cc......
    .............####......
    ..........cc.####......
    ........####.####......
    ....S...####.####..S...
    ###########^^^#########
    #######################
    #######################
    """,
    """
    ....c.c....
    ...c...c...
    ...........
    ...........
    .......F...
    ###########
    ###########
    ###########
    """,
)

PEAKS = (
    """
    ..............c.c......
    .P.....................
    ####...........####....
    ####....c.c....####....
    ####..=======..####.S..
    #####.........#########
    #####.........#########
    #####.........#########
    """,
    """
    ......................
    ......................
    ......................
    ...cc.............cc..
    ......o......o........
    ......................
    ..........cc..........
    ######################
    ######################
    ######################
    """,
    """
    ......c......c......c.....
    ..........................
    ..........................
    ####..................####
    ####...-.....|.....-..####
    ####..................####
    """,
    """
    .............G.........
    .......................
    ............===........
    ................b......
    .........cc............
    .......................
    ........===......cc....
    .......................
    .C..J.........^^....S..
    #######################
    #######################
    #######################
    """,
    """
    .........b.......b........
    ..........................
    .....c.....c....c....c....
    ..........................
    ..........................
    ....===...===..===..===...
    ..........................
    ###....................###
    ###....................###
    ###....................###
    """,
    """
    ..............o..........
    .........................
    .....o...................
    .........................
    ............cc...........
    ....cc.....####....cc....
    .C........#####..........
    ######..########..#######
    ######..########..#######
    ######..########..#######
    """,
    """
    ..................c.......
    ..........................
    ..........c.....####......
    ........####..S.####......
    ....c...####..BBBBBB......
    ........####..........S...
    ###.....####....##########
    ###..|..####....##########
    ###.....####^^^^##########
    ###.....##################
    """,
    """
    .....c..c..c......
    ..................
    ..................
    ####..........####
    ####....-.....####
    ####..........####
    """,
    """
    .....c.c....
    ....c...c...
    ............
    ............
    ..S.....F...
    ############
    ############
    ############
    """,
)


@dataclass(frozen=True, slots=True)
class Coin:
    """A coin or gem; `x`, `y` is its centre."""

    index: int
    x: float
    y: float
    value: int


@dataclass(frozen=True, slots=True)
class Foe:
    """An enemy. Its position depends only on the tick, so a look ahead needs no copy of it."""

    index: int
    kind: Literal["slime", "bat", "saw"]
    x: float
    y: float
    low: float = 0.0  # a slime's patrol, left edge
    high: float = 0.0


@dataclass(frozen=True, slots=True)
class Platform:
    """A moving platform; `x`, `y` is the middle of its top at rest."""

    x: float
    y: float
    vertical: bool
    phase: float


@dataclass(slots=True)
class Level:
    """A parsed level; it does not change while it is played."""

    number: int
    title: str
    theme: str
    grid: list[bytearray]
    bricks: set[tuple[int, int]] = field(default_factory=set)
    coins: list[Coin] = field(default_factory=list)
    foes: list[Foe] = field(default_factory=list)
    platforms: list[Platform] = field(default_factory=list)
    checkpoints: list[tuple[float, float]] = field(default_factory=list)  # foot of each pole
    start: tuple[float, float] = (0.0, 0.0)
    flag: tuple[float, float] = (0.0, 0.0)
    par_seconds: float = 60.0
    coins_by_column: dict[int, list[Coin]] = field(default_factory=dict)

    @property
    def columns(self) -> int:
        """Width in tiles."""
        return len(self.grid[0])

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.columns * TILE

    def tile(self, column: int, row: int) -> int:
        """Return the tile; the sides of the map are walls, above and below is air."""
        if not 0 <= column < len(self.grid[0]):
            return SOLID
        if not 0 <= row < ROWS:
            return EMPTY
        return self.grid[row][column]


def _join(chunks: tuple[str, ...]) -> list[str]:
    """Set the chunks side by side, bottoms aligned, air above."""
    rows = [""] * ROWS
    for chunk in chunks:
        lines = [line.strip() for line in chunk.strip().splitlines()]
        width = max(map(len, lines))
        lines = ["." * width] * (ROWS - len(lines)) + [line.ljust(width, ".") for line in lines]
        rows = [row + line for row, line in zip(rows, lines, strict=True)]
    return rows


def _patrol(level: Level, column: int, row: int) -> tuple[float, float]:
    """Return how far a slime can walk: floor below, no wall or spikes in front, at most four tiles each way."""
    ends = []
    for step in (-1, 1):
        at = column
        while abs(at - column) < 4:
            ahead, below = level.tile(at + step, row), level.tile(at + step, row + 1)
            if ahead != EMPTY or below not in (SOLID, CLOUD):
                break
            at += step
        ends.append(at)
    return ends[0] * TILE + 18.0, ends[1] * TILE + 18.0


def parse(number: int, title: str, theme: str, chunks: tuple[str, ...], par_seconds: float) -> Level:
    """Read a drawing."""
    rows = _join(chunks)
    tiles = {"#": SOLID, "B": SOLID, "=": CLOUD, "^": SPIKES, "J": SPRING}
    grid = [bytearray(tiles.get(char, EMPTY) for char in row) for row in rows]
    level = Level(number, title, theme, grid, par_seconds=par_seconds)
    for row, line in enumerate(rows):
        for column, char in enumerate(line):
            x, y = column * TILE + TILE / 2, row * TILE + TILE / 2
            if char == "B":
                level.bricks.add((column, row))
            elif char in "cG":
                coin = Coin(len(level.coins), x, y, 1 if char == "c" else 5)
                level.coins.append(coin)
                level.coins_by_column.setdefault(column, []).append(coin)
            elif char == "S":
                low, high = _patrol(level, column, row)
                level.foes.append(Foe(len(level.foes), "slime", x, y + 6, low, high))
            elif char in "bo":
                level.foes.append(Foe(len(level.foes), "bat" if char == "b" else "saw", x, y))
            elif char in "-|":
                level.platforms.append(Platform(x, row * TILE, char == "|", 0.9 * len(level.platforms)))
            elif char == "C":
                level.checkpoints.append((x, (row + 1) * TILE))
            elif char == "P":
                level.start = (x, (row + 1) * TILE)
            elif char == "F":
                level.flag = (x, (row + 1) * TILE)
    return level


def load_levels() -> list[Level]:
    """Return the three levels in playing order."""
    return [
        parse(1, "Morning Meadow", "morning", MEADOW, 45),
        parse(2, "Sunset Ridge", "sunset", RIDGE, 55),
        parse(3, "Starlit Peaks", "night", PEAKS, 65),
    ]
