package spec

import (
	"fmt"
	"strings"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/jsjson"
)

// tierMembers are present when a specification or component is tiered.
var tierMembers = []string{"cpubasic", "cpusuper", "cpubamf", "rambasic", "ramsuper", "rambamf", "hddbasic", "hddsuper", "hddbamf"}

// topMembers is the canonical order of the members of a version.
func topMembers(version float64, tiered bool) []string {
	m := []string{"version", "name", "description", "owner"}
	switch {
	case version == 1:
		m = append(m, "repotag", "port", "enviromentParameters", "commands", "containerPort", "containerData", "cpu", "ram", "hdd", "tiered")
	case version <= 3:
		m = append(m, "repotag", "ports", "domains", "enviromentParameters", "commands", "containerPorts", "containerData", "cpu", "ram", "hdd", "tiered")
	default:
		m = append(m, "compose")
	}
	if version <= 3 && tiered {
		m = append(m, tierMembers...)
	}
	if version >= 3 {
		m = append(m, "instances")
	}
	if version >= 5 {
		m = append(m, "contacts", "geolocation")
	}
	if version >= 6 {
		m = append(m, "expire")
	}
	if version >= 7 {
		m = append(m, "nodes", "staticip")
	}
	if version >= 8 {
		m = append(m, "datacenter", "enterprise")
	}
	return m
}

// componentMembers is the same for a component of versions 4 and up.
func componentMembers(version float64, tiered bool) []string {
	m := []string{"name", "description", "repotag", "ports", "domains", "environmentParameters", "commands", "containerPorts", "containerData", "cpu", "ram", "hdd"}
	if version < 8 {
		m = append(m, "tiered")
		if tiered {
			m = append(m, tierMembers...)
		}
	}
	if version >= 7 {
		m = append(m, "repoauth")
	}
	if version == 7 {
		m = append(m, "secrets")
	}
	return m
}

// pick returns an object with the named members of v, in that order.
func pick(v jsjson.Value, names []string) jsjson.Value {
	out := jsjson.ObjectValue(make([]jsjson.Member, 0, len(names)))
	for _, name := range names {
		if e := v.Get(name); e.Kind != jsjson.Undefined {
			out.Members = append(out.Members, jsjson.Member{Name: name, Value: e})
		}
	}
	return out
}

func invalid(format string, args ...any) error { return fault.Newf(fault.Invalid, format, args...) }

func missing(what string) error {
	return invalid("Missing Flux App specification parameter %s", what)
}

// Format gives a submitted specification the form in which it is signed,
// hashed and kept: values are coerced to their types, unknown members dropped,
// the rest put into the canonical order. An error is a *fault.Error.
//
// The result may still be one that [Parse] refuses: what can't be coerced is
// kept as it is.
func Format(raw []byte) ([]byte, error) {
	v, err := jsjson.Decode(raw, maxDepth)
	if err != nil {
		v = jsjson.Value{} // whatever is no JSON has no version
	}
	if v, err = format(v); err != nil {
		return nil, err
	}
	return v.Encode(), nil
}

// Read formats a specification and parses the result.
func Read(raw []byte) (*Spec, error) {
	v, err := jsjson.Decode(raw, maxDepth)
	if err != nil {
		v = jsjson.Value{}
	}
	if v, err = format(v); err != nil {
		return nil, err
	}
	return parse(v)
}

func format(in jsjson.Value) (jsjson.Value, error) {
	version := toNumber(in.Get("version"))
	if falsy(jsjson.NumberValue(version)) || in.Get("version").Kind == jsjson.Undefined {
		return jsjson.Value{}, missing("version")
	}
	if falsy(in.Get("name")) || falsy(in.Get("description")) || falsy(in.Get("owner")) {
		return jsjson.Value{}, missing("name and/or description and/or owner")
	}
	f := formatter{in: in, out: jsjson.ObjectValue(nil)}
	f.number("version")
	f.texts("name", "description", "owner")
	if version <= 3 {
		f.single(version)
	} else {
		f.compose(version)
	}
	if version >= 3 {
		f.instances(version)
	}
	if version >= 5 {
		if falsy(in.Get("contacts")) || falsy(in.Get("geolocation")) {
			f.fail(missing("contacts and/or geolocation"))
		}
		f.textList("contacts", "Contacts for Flux App are invalid")
		f.textList("geolocation", "Geolocation for Flux App is invalid")
	}
	if version >= 6 {
		if falsy(in.Get("expire")) {
			f.fail(missing("expire"))
		}
		f.number("expire")
	}
	if version >= 7 {
		if falsy(in.Get("nodes")) {
			f.fail(missing("nodes"))
		}
		f.textList("nodes", "Nodes for Flux App are invalid")
		f.boolean("staticip", "Invalid staticip specification. Only boolean as true or false allowed.")
	}
	if version >= 8 {
		f.out.Set("datacenter", toBool(in.Get("datacenter")))
		enterprise := in.Get("enterprise")
		if !falsy(enterprise) {
			enterprise = toText(enterprise)
		}
		f.out.Set("enterprise", enterprise)
	}
	return f.out, f.err
}

// formatter fills out from in and keeps the first failure.
type formatter struct {
	in, out jsjson.Value
	err     error
}

func (f *formatter) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *formatter) number(names ...string) {
	for _, name := range names {
		f.out.Set(name, jsjson.NumberValue(toNumber(defined(f.in.Get(name)))))
	}
}

// defined makes of undefined something else that is no number.
func defined(v jsjson.Value) jsjson.Value {
	if v.Kind == jsjson.Undefined {
		return jsjson.ObjectValue(nil)
	}
	return v
}

func (f *formatter) texts(names ...string) {
	for _, name := range names {
		f.out.Set(name, toText(f.in.Get(name)))
	}
}

func (f *formatter) list(name, failure string, element func(jsjson.Value) jsjson.Value) {
	list, ok := toArray(f.in.Get(name))
	if !ok {
		f.fail(invalid("%s", failure))
		return
	}
	out := jsjson.ArrayValue(make([]jsjson.Value, len(list.List)))
	for i, e := range list.List {
		out.List[i] = element(e)
	}
	f.out.Set(name, out)
}

func (f *formatter) textList(name, failure string) { f.list(name, failure, toText) }

func (f *formatter) boolean(name, failure string) {
	v := toBool(f.in.Get(name))
	if v.Kind == jsjson.Undefined {
		f.fail(invalid("%s", failure))
	}
	f.out.Set(name, v)
}

const badTiered = "Invalid tiered value obtained. Only boolean as true or false allowed."

// tiers takes over the nine members of a tiered specification.
func (f *formatter) tiers(failure string) {
	for _, name := range tierMembers {
		if falsy(f.in.Get(name)) {
			f.fail(invalid("%s", failure))
			return
		}
	}
	f.number(tierMembers...)
}

// single formats what versions 1 to 3 say of their only container.
func (f *formatter) single(version float64) {
	required, ports := []string{"repotag", "port", "enviromentParameters", "commands", "containerData", "cpu", "ram", "hdd"}, "port"
	if version != 1 {
		required, ports = []string{"repotag", "port", "domains", "enviromentParameters", "commands", "containerData", "cpu", "ram", "hdd"}, "ports"
	}
	for _, name := range required {
		if name == "port" {
			name = ports
		}
		if falsy(f.in.Get(name)) {
			f.fail(missing(strings.Join(required, " and/or ")))
			return
		}
	}
	f.texts("repotag")
	if version == 1 {
		f.number("port")
	} else {
		f.textList("ports", "Ports for Flux App are invalid")
		f.textList("domains", "Domains for Flux App are invalid")
	}
	f.textList("enviromentParameters", "Environmental parameters for Flux App are invalid")
	f.textList("commands", "Flux App commands are invalid")
	if version == 1 {
		f.number("containerPort")
	} else {
		f.textList("containerPorts", "Container Ports for Flux App are invalid")
	}
	f.texts("containerData")
	f.number("cpu", "ram", "hdd")
	f.boolean("tiered", badTiered)
	if f.out.Get("tiered").Bool {
		f.tiers("Flux App was requested as tiered setup but specifications are missing")
	}
}

func (f *formatter) compose(version float64) {
	list, ok := toArray(f.in.Get("compose"))
	if !ok {
		f.fail(missing("compose"))
		return
	}
	out := jsjson.ArrayValue(make([]jsjson.Value, len(list.List)))
	for i, c := range list.List {
		out.List[i] = f.component(c, version)
	}
	f.out.Set("compose", out)
}

// component formats one component.
func (f *formatter) component(in jsjson.Value, version float64) jsjson.Value {
	c := formatter{in: in, out: jsjson.ObjectValue(nil)}
	name := toText(in.Get("name")).Text
	bad := func(what string) string { return fmt.Sprintf("%s for Flux App component %s are invalid", what, name) }
	c.texts("name", "description", "repotag")
	c.list("ports", bad("Ports"), func(v jsjson.Value) jsjson.Value { return jsjson.NumberValue(toNumber(v)) })
	c.textList("domains", bad("Domains"))
	c.textList("environmentParameters", bad("Environmental parameters"))
	c.textList("commands", fmt.Sprintf("Flux App component %s commands are invalid", name))
	c.list("containerPorts", bad("Container Ports"), func(v jsjson.Value) jsjson.Value { return v })
	c.texts("containerData")
	c.number("cpu", "ram", "hdd")
	if version < 8 {
		tiered := in.Get("tiered")
		if tiered.Kind != jsjson.Boolean {
			c.fail(invalid(badTiered))
		}
		c.out.Set("tiered", tiered)
		if tiered.Bool {
			c.tiers(fmt.Sprintf("Flux App component %s was requested as tiered setup but specifications are missing", name))
		}
	}
	if version >= 7 {
		c.texts("repoauth")
	}
	if version == 7 {
		c.texts("secrets")
	}
	if c.err != nil {
		f.fail(c.err)
	}
	return c.out
}

func (f *formatter) instances(version float64) {
	if falsy(f.in.Get("instances")) {
		f.fail(missing("instances"))
		return
	}
	f.number("instances")
	least := float64(minInstances)
	if version >= 8 {
		least = minInstancesV8
	}
	switch n := f.out.Get("instances").Number; {
	case !whole(n):
		f.fail(invalid("Invalid instances specified"))
	case n < least:
		f.fail(invalid("Minimum number of instances is %v", least))
	case n > maxInstances:
		f.fail(invalid("Maximum number of instances is %d", maxInstances))
	}
}
