package shape

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
)

// Document is a checked document: its BSON with _id first, if it has one.
type Document struct {
	Raw bson.Raw
	ID  any // string, int64, or nil
}

// New marshals and checks a document of collection c.
func New(c *store.Collection, doc any) (Document, error) {
	raw, err := bson.Marshal(doc)
	if err != nil {
		return Document{}, Invalid("%s: document of type %T: %v", c.Name, doc, err)
	}
	if len(raw) > maxDocument {
		return Document{}, Invalid("%s: document of %d bytes, at most %d are allowed", c.Name, len(raw), maxDocument)
	}
	if err := check(raw, 1, false); err != nil {
		return Document{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	for _, index := range c.Indexes {
		if !index.Unique {
			continue
		}
		for _, field := range index.Fields {
			v, err := bson.Raw(raw).LookupErr(strings.Split(field.Name, ".")...)
			if err != nil || !Is(v.Type, field.Type) {
				return Document{}, uniqueField(c, field)
			}
		}
	}
	return withID(c, raw)
}

// Is says whether a member of BSON type t belongs to the declared type.
func Is(t bson.Type, want store.Type) bool {
	switch want {
	case store.String:
		return t == bson.TypeString
	case store.Int:
		return t == bson.TypeInt32 || t == bson.TypeInt64 || t == bson.TypeDouble
	case store.Time:
		return t == bson.TypeDateTime
	}
	return t == bson.TypeBoolean
}

func uniqueField(c *store.Collection, field store.Field) error {
	kinds := [...]string{store.String: "string", store.Int: "number", store.Time: "date", store.Bool: "bool"}
	return Invalid("%s: member %s is part of a unique key and must be a %s", c.Name, field.Name, kinds[field.Type])
}

// withID reads the document's own _id and moves it to the front.
func withID(c *store.Collection, raw bson.Raw) (Document, error) {
	v, err := raw.LookupErr(ID)
	if err != nil {
		return Document{Raw: raw}, nil
	}
	d := Document{Raw: raw}
	if s, ok := v.StringValueOK(); ok {
		d.ID = s
	} else if n, ok := v.AsInt64OK(); ok && v.Type != bson.TypeDouble {
		d.ID = n
	} else {
		return Document{}, Invalid("%s: _id of type %s: want a string or an integer, or none", c.Name, v.Type)
	}
	elements, err := raw.Elements()
	if err != nil {
		return Document{}, Invalid("%s: %v", c.Name, err)
	}
	if elements[0].Key() == ID {
		return d, nil
	}
	members := bson.D{{Key: ID, Value: v}}
	for _, e := range elements {
		if e.Key() != ID {
			members = append(members, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	if d.Raw, err = bson.Marshal(members); err != nil {
		return Document{}, Invalid("%s: %v", c.Name, err)
	}
	return d, nil
}

// Members checks the assignments of an Update and returns them in order of name.
func Members(c *store.Collection, set store.Set) (bson.D, error) {
	if len(set) == 0 {
		return nil, Invalid("%s: an update without assignments", c.Name)
	}
	var members bson.D
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if err := Field(name); err != nil {
			return nil, err
		}
		if name == ID || strings.HasPrefix(name, ID+".") {
			return nil, Invalid("%s: _id can't be changed", c.Name)
		}
		for _, m := range members {
			if strings.HasPrefix(name, m.Key+".") {
				return nil, Invalid("%s: an update of both %s and %s", c.Name, m.Key, name)
			}
		}
		raw, err := bson.Marshal(bson.D{{Key: "v", Value: set[name]}})
		if err != nil {
			return nil, Invalid("%s: value of type %T for %s: %v", c.Name, set[name], name, err)
		}
		if err := check(raw, strings.Count(name, ".")+1, false); err != nil {
			return nil, fmt.Errorf("%s: assign %s: %w", c.Name, name, err)
		}
		v := bson.Raw(raw).Lookup("v")
		if err := keepsUnique(c, name, v); err != nil {
			return nil, err
		}
		members = append(members, bson.E{Key: name, Value: v})
	}
	return members, nil
}

// keepsUnique refuses an assignment that takes a field of a unique key away.
func keepsUnique(c *store.Collection, name string, v bson.RawValue) error {
	for _, index := range c.Indexes {
		for _, field := range index.Fields {
			rest, inside := strings.CutPrefix(field.Name, name)
			if !index.Unique || !inside || rest != "" && rest[0] != '.' {
				continue
			}
			got := v
			if rest != "" {
				doc, ok := v.DocumentOK()
				if !ok {
					return uniqueField(c, field)
				}
				got = doc.Lookup(strings.Split(rest[1:], ".")...)
			}
			if !Is(got.Type, field.Type) {
				return uniqueField(c, field)
			}
		}
	}
	return nil
}

// Assign returns the document with the members set. It is what MongoDB's $set
// does: present members keep their place, others are appended.
func Assign(raw bson.Raw, members bson.D) (bson.D, error) {
	var doc bson.D
	if err := bson.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("decode document: %w", err)
	}
	for _, m := range members {
		var err error
		if doc, err = assign(doc, strings.Split(m.Key, "."), m.Value); err != nil {
			return nil, fmt.Errorf("assign %s: %w", m.Key, err)
		}
	}
	return doc, nil
}

func assign(doc bson.D, path []string, value any) (bson.D, error) {
	i := slices.IndexFunc(doc, func(e bson.E) bool { return e.Key == path[0] })
	if i < 0 {
		i = len(doc)
		doc = append(doc, bson.E{Key: path[0], Value: bson.D{}})
	}
	if len(path) == 1 {
		doc[i].Value = value
		return doc, nil
	}
	inner, ok := doc[i].Value.(bson.D)
	if !ok {
		return nil, Invalid("member %s is no embedded document", path[0])
	}
	inner, err := assign(inner, path[1:], value)
	doc[i].Value = inner
	return doc, err
}

// Decode decodes one document. Into bson.D, embedded documents are bson.D and
// arrays bson.A. An _id that the engine made is left out.
func Decode(raw bson.Raw, into any) error {
	raw, err := withoutEngineID(raw)
	if err != nil {
		return err
	}
	if err := bson.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("decode document into %T: %w", into, err)
	}
	return nil
}

// DecodeAll decodes the documents into the slice that into points to.
func DecodeAll(raws []bson.Raw, into any) error {
	list, err := Slice(into)
	if err != nil {
		return err
	}
	out := reflect.MakeSlice(list.Type(), len(raws), len(raws))
	for i, raw := range raws {
		if err := Decode(raw, out.Index(i).Addr().Interface()); err != nil {
			return err
		}
	}
	list.Set(out)
	return nil
}

// Slice returns the slice that into points to.
func Slice(into any) (reflect.Value, error) {
	p := reflect.ValueOf(into)
	if p.Kind() != reflect.Pointer || p.IsNil() || p.Elem().Kind() != reflect.Slice {
		return reflect.Value{}, Invalid("results go into a pointer to a slice, not into %T", into)
	}
	return p.Elem(), nil
}

// One refuses what a single document can't be decoded into.
func One(into any) error {
	if p := reflect.ValueOf(into); p.Kind() != reflect.Pointer || p.IsNil() {
		return Invalid("a result goes into a non-nil pointer, not into %T", into)
	}
	return nil
}

// withoutEngineID cuts off an _id of type ObjectID: callers can't set those.
func withoutEngineID(raw bson.Raw) (bson.Raw, error) {
	v, err := raw.LookupErr(ID)
	if err != nil || v.Type != bson.TypeObjectID {
		return raw, nil
	}
	elements, err := raw.Elements()
	if err != nil {
		return nil, fmt.Errorf("decode document: %w", err)
	}
	var members bson.D
	for _, e := range elements {
		if e.Key() != ID {
			members = append(members, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	return bson.Marshal(members)
}

// KeyID returns the _id that the key of an upsert asks for, or nil.
func KeyID(key []Cond) any {
	for _, c := range key {
		if c.Field == ID {
			return c.Values[0]
		}
	}
	return nil
}

// WithID returns the document with id as its _id. A document that brings another
// _id is refused. Without an id (nil) a document that replaces one may bring none.
func (d Document) WithID(c *store.Collection, id any, replaces bool) (Document, error) {
	switch {
	case d.ID == id || d.ID != nil && id == nil && !replaces:
		return d, nil
	case d.ID != nil:
		return Document{}, Invalid("%s: _id can't be changed", c.Name)
	}
	var members bson.D
	if err := bson.Unmarshal(d.Raw, &members); err != nil {
		return Document{}, fmt.Errorf("decode document: %w", err)
	}
	return New(c, append(bson.D{{Key: ID, Value: id}}, members...))
}

// OneKind refuses a write of a bulk unless exactly one of its fields is set.
func OneKind(w store.Write) error {
	set := 0
	for _, present := range []bool{w.Insert != nil, w.Upsert != nil, w.Update != nil, w.Delete != nil} {
		if present {
			set++
		}
	}
	if set != 1 {
		return Invalid("a write of a bulk needs exactly one of Insert, Upsert, Update and Delete, not %d", set)
	}
	return nil
}
