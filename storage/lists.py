"""Lists in one parameter, however long they are. Bound one by one, the values of a batch would make another statement
of each batch, which SQLAlchemy and the driver would have to read anew. The databases differ in how they take a list
apart."""

from collections.abc import Collection
from typing import Any

from pydantic_core import to_json
from sqlalchemy import ColumnElement, Dialect, Text, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeDecorator


class _AsJson(TypeDecorator[Collection[Any]]):
    """As the text of a JSON array."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> str:
        return to_json(list(value or ())).decode()


class _OneOf(FunctionElement[Any]):
    """Of one column."""

    name = "one_of"
    type = NullType()  # of a Boolean, SQLite would be asked whether it is 1, and would use no index
    inherit_cache = True


class _PairOf(FunctionElement[Any]):
    """Of two columns, the first a text and the second a whole number. On its own: with `one_of` beside it, PostgreSQL
    compares each row of a small table with each of the list."""

    name = "pair_of"
    type = NullType()  # of a Boolean, SQLite would be asked whether it is 1, and would use no index
    inherit_cache = True


def one_of(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Is the text in this column one of those that the parameter `name` lists?"""
    return _OneOf(column, bindparam(name, type_=_AsJson()))


def pair_of(text: ColumnElement[Any], number: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Are the two together one of the pairs that the parameter `name` lists?"""
    return _PairOf(text, number, bindparam(name, type_=_AsJson()))


@compiles(_OneOf, "sqlite")
def _one_of_on_sqlite(element: _OneOf, compiler: SQLCompiler, **given: Any) -> str:
    column, listed = (compiler.process(part, **given) for part in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({listed}))"


@compiles(_OneOf, "postgresql")
def _one_of_on_postgresql(element: _OneOf, compiler: SQLCompiler, **given: Any) -> str:
    column, listed = (compiler.process(part, **given) for part in element.clauses)
    return f"{column} = ANY (ARRAY(SELECT json_array_elements_text(CAST({listed} AS json))))"


@compiles(_PairOf, "sqlite")
def _pair_of_on_sqlite(element: _PairOf, compiler: SQLCompiler, **given: Any) -> str:
    text, number, listed = (compiler.process(part, **given) for part in element.clauses)
    first, second = "json_extract(value, '$[0]')", "json_extract(value, '$[1]')"
    known = f"{text} IN (SELECT {first} FROM json_each({listed}))"  # for pairs alone it reads the whole table
    return f"({known} AND ({text}, {number}) IN (SELECT {first}, {second} FROM json_each({listed})))"


@compiles(_PairOf, "postgresql")
def _pair_of_on_postgresql(element: _PairOf, compiler: SQLCompiler, **given: Any) -> str:
    text, number, listed = (compiler.process(part, **given) for part in element.clauses)
    pairs = f"json_array_elements(CAST({listed} AS json)) AS pair"
    texts, numbers = f"SELECT pair ->> 0 FROM {pairs}", f"SELECT CAST(pair ->> 1 AS bigint) FROM {pairs}"
    # As arrays: of those the planner expects ten rows, and goes by the index; of what else is a table, a hundred.
    return f"({text}, {number}) IN (SELECT * FROM unnest(ARRAY({texts}), ARRAY({numbers})))"
