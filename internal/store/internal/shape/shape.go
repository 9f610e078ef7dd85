// Package shape holds what the adapters of the store must agree on: which names,
// values and documents are accepted, and how documents are decoded. Whatever it
// refuses is an error wrapping store.ErrInvalid that says what is allowed. It
// talks to no engine.
package shape

import (
	"fmt"
	"strings"

	"github.com/fluxosd/fluxosd/internal/store"
)

// ID is the member that a caller may use to name a document.
const ID = "_id"

const (
	maxPart  = 64  // bytes in one part of a field name, or in a collection's name
	maxField = 255 // bytes in a dotted field name
)

// Invalid makes an error that wraps store.ErrInvalid.
func Invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", store.ErrInvalid, fmt.Sprintf(format, args...))
}

// Field refuses names that are no dotted path of plain identifiers. What it
// accepts can be quoted in SQL and in a JSON path without escaping.
func Field(name string) error {
	ok := len(name) <= maxField
	for part := range strings.SplitSeq(name, ".") {
		ok = ok && identifier(part)
	}
	if !ok {
		return Invalid("field name %.80q: want parts of letters, digits, _ and -, joined by dots, each starting with a letter or _, like appSpecifications.name", name)
	}
	return nil
}

// DistinctField is Field for Distinct, which does not look at _id.
func DistinctField(name string) error {
	if name == ID || strings.HasPrefix(name, ID+".") {
		return Invalid("field _id: not available to Distinct")
	}
	return Field(name)
}

func identifier(s string) bool {
	if s == "" || len(s) > maxPart {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}

// Collection refuses declarations that an adapter could not carry out.
func Collection(c *store.Collection) error {
	if c == nil {
		return Invalid("no collection given")
	}
	if !identifier(c.Database) || !identifier(c.Name) {
		return Invalid("collection %.80q in database %.80q: want names of letters, digits, _ and -", c.Name, c.Database)
	}
	spelling := map[string]string{} // by lower-case name: SQL ignores case in column names
	check := func(field string) error {
		if err := Field(field); err != nil {
			return fmt.Errorf("collection %s: %w", c.Name, err)
		}
		if field == ID {
			return Invalid("collection %s: _id needs no index", c.Name)
		}
		lower := strings.ToLower(field)
		if other, seen := spelling[lower]; seen && other != field {
			return Invalid("collection %s: fields %s and %s differ only in case", c.Name, other, field)
		}
		spelling[lower] = field
		return nil
	}
	for _, index := range c.Indexes {
		if len(index.Fields) == 0 {
			return Invalid("collection %s: index %q has no fields", c.Name, index.Name)
		}
		for _, field := range index.Fields {
			if err := check(field.Name); err != nil {
				return err
			}
			if field.Type > store.Bool {
				return Invalid("collection %s: field %s has an unknown type", c.Name, field.Name)
			}
			if field.Fold && (field.Type != store.String || index.Unique) {
				return Invalid("collection %s: field %s: Fold is for strings, and not for unique indexes", c.Name, field.Name)
			}
		}
	}
	if c.Expiry != nil {
		if c.Expiry.After < 0 {
			return Invalid("collection %s: the expiry after %v is negative", c.Name, c.Expiry.After)
		}
		return check(c.Expiry.Field)
	}
	return nil
}
