package mongo

import (
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/internal/shape"
)

// filter is the server's form of checked conditions. Every value is the operand
// of an explicit operator, so that none can be an operator itself.
func filter(conds []shape.Cond) bson.D {
	switch len(conds) {
	case 0:
		return bson.D{}
	case 1:
		return condition(conds[0])
	}
	all := make(bson.A, len(conds))
	for i, c := range conds {
		all[i] = condition(c)
	}
	return bson.D{{Key: "$and", Value: all}}
}

func condition(c shape.Cond) bson.D {
	var operand bson.E
	switch c.Op {
	case store.In:
		operand = bson.E{Key: "$in", Value: bson.A(c.Values)}
	case store.EqFold:
		operand = bson.E{Key: "$regex", Value: bson.Regex{Pattern: foldPattern(c.Values[0].(string))}}
	default:
		name := [...]string{
			store.Eq: "$eq", store.Gt: "$gt", store.Gte: "$gte", store.Lt: "$lt", store.Lte: "$lte", store.Exists: "$exists",
		}[c.Op]
		operand = bson.E{Key: name, Value: c.Values[0]}
	}
	return bson.D{{Key: c.Field, Value: bson.D{operand}}}
}

// foldPattern matches exactly the text, with ASCII letters in either case. It
// does not use the option for case, which would fold other letters too, nor $,
// which would also match before a line's end.
func foldPattern(text string) string {
	var p strings.Builder
	p.WriteString(`\A`)
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			p.WriteString("[" + strings.ToLower(string(r)) + strings.ToUpper(string(r)) + "]")
		case r >= '0' && r <= '9' || r >= 0x80:
			p.WriteRune(r)
		default:
			fmt.Fprintf(&p, `\x%02x`, r)
		}
	}
	p.WriteString(`\z`)
	return p.String()
}

// order is the sort of a query; documents that are equal in it, and all of an
// unsorted query, come in the order in which they were inserted, which is the
// order of the ObjectIDs that the driver makes.
func order(sort []store.Sort) bson.D {
	var keys bson.D
	for _, by := range sort {
		keys = append(keys, bson.E{Key: by.Field, Value: direction(by.Desc)})
	}
	return append(keys, bson.E{Key: shape.ID, Value: 1})
}

func direction(desc bool) int {
	if desc {
		return -1
	}
	return 1
}
