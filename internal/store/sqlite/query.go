package sqlite

import (
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/internal/shape"
)

// statement is SQL text with the values to bind. Text never contains a value:
// only keywords, checked names and question marks.
type statement struct {
	strings.Builder
	args []any
}

func (s *statement) bind(v any) {
	s.WriteByte('?')
	s.args = append(s.args, v)
}

// where appends the conditions, each checked by package shape. It reports
// whether rows that match in an index's order are in order of insertion.
func (s *statement) where(t *table, conds []shape.Cond) (ordered bool) {
	ordered = true
	for i, c := range conds {
		s.WriteString([...]string{" WHERE ", " AND "}[min(i, 1)])
		if c.Op != store.Eq && c.Op != store.EqFold && c.Op != store.Exists {
			ordered = false
		}
		s.condition(t, c)
	}
	return ordered
}

func (s *statement) condition(t *table, c shape.Cond) {
	switch c.Op {
	case store.Exists:
		s.WriteString("json_type(doc," + jsonPath(c.Field) + ") IS ")
		if c.Values[0] == true {
			s.WriteString("NOT ")
		}
		s.WriteString("NULL")
	case store.EqFold:
		s.compare(t, column{c.Field, asFolded}, "=", shape.Lower(c.Values[0].(string)))
	case store.In:
		s.in(t, c)
	default:
		s.single(t, c.Field, c.Op, c.Values[0])
	}
}

// single compares a field with one value of the same type.
func (s *statement) single(t *table, field string, op store.Op, v any) {
	operator := [...]string{store.Eq: "=", store.Gt: ">", store.Gte: ">=", store.Lt: "<", store.Lte: "<="}[op]
	bound, k := bindable(v)
	col := column{field, k}
	if folded := (column{field, asFolded}); op == store.Eq && k == asString && !t.columns[col] && t.columns[folded] {
		// The index is on the folded text: it finds the few candidates.
		s.compare(t, folded, "=", shape.Lower(v.(string)))
		s.WriteString(" AND ")
	}
	s.compare(t, col, operator, bound)
}

func (s *statement) compare(t *table, col column, operator string, v any) {
	s.WriteString(t.operand(col) + operator)
	s.bind(v)
}

// in appends a membership test; values of several types are tested apart.
func (s *statement) in(t *table, c shape.Cond) {
	groups := map[kind][]any{}
	for _, v := range c.Values {
		bound, k := bindable(v)
		groups[k] = append(groups[k], bound)
	}
	s.WriteByte('(')
	written := 0
	for _, k := range []kind{asString, asInt, asTime, asBool} {
		if len(groups[k]) == 0 {
			continue
		}
		if written++; written > 1 {
			s.WriteString(" OR ")
		}
		s.WriteString(t.operand(column{c.Field, k}) + " IN (")
		for i, v := range groups[k] {
			if i > 0 {
				s.WriteByte(',')
			}
			s.bind(v)
		}
		s.WriteByte(')')
	}
	if written == 0 {
		s.WriteByte('0')
	}
	s.WriteByte(')')
}

// operand is the SQL term for a field seen as one type: a column if there is one.
func (t *table) operand(col column) string {
	if col.field == shape.ID { // compared for equality only, in its own type
		return "key"
	}
	if t.columns[col] {
		return col.name()
	}
	return "(" + col.expression() + ")"
}

// bindable returns what SQLite compares with and how the field is looked at.
func bindable(v any) (any, kind) {
	switch v := v.(type) {
	case string:
		return v, asString
	case time.Time:
		return v.UnixMilli(), asTime
	case bool:
		return v, asBool
	}
	return v, asInt
}

// order appends ORDER BY: the sort, then the order of insertion. The planner may
// take that order from the table itself only where no range is asked for: it
// would otherwise walk the table rather than sort what an index finds.
func (s *statement) order(t *table, sort []store.Sort, ordered bool) {
	s.WriteString(" ORDER BY ")
	for _, by := range sort {
		s.WriteString(t.operand(column{by.Field, kind(by.Type)}))
		if by.Desc {
			s.WriteString(" DESC")
		}
		s.WriteByte(',')
	}
	if !ordered {
		s.WriteByte('+')
	}
	s.WriteString("id")
}

// selection is the statement that reads what a query matches.
func selection(t *table, what string, conds []shape.Cond, q store.Query) *statement {
	s := &statement{}
	s.WriteString("SELECT " + what + " FROM " + t.name)
	ordered := s.where(t, conds)
	s.order(t, q.Sort, ordered)
	if q.Limit > 0 || q.Skip > 0 {
		limit := q.Limit
		if limit == 0 {
			limit = -1
		}
		s.WriteString(" LIMIT ")
		s.bind(limit)
		s.WriteString(" OFFSET ")
		s.bind(q.Skip)
	}
	return s
}
