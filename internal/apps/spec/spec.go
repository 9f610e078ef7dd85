package spec

import (
	"math"
	"slices"

	"github.com/fluxosd/fluxosd/internal/jsjson"
	"github.com/fluxosd/fluxosd/internal/secret"
)

// LatestVersion is the newest version that this package knows.
const LatestVersion = 8

// Spec is an application specification. Its fields are the same for all
// versions; what an old version doesn't have is empty. It is read only: the
// canonical form is that of the text it was parsed from.
type Spec struct {
	Version     int
	Name        string
	Description string
	Owner       string // Flux ID, Ethereum address or public key
	Components  []Component
	Instances   int
	Contacts    []string
	Geolocation []string
	Expire      int // blocks, 0 before version 6
	Nodes       []string
	StaticIP    bool
	Datacenter  bool
	Enterprise  string // the encrypted part, "" for none

	form    jsjson.Value // canonical
	unknown error        // the first member that the version doesn't have
}

// Component is one container. Versions 1 to 3 have one, which carries the name
// and description of the application.
type Component struct {
	Name           string
	Description    string
	Repotag        string
	Ports          []int
	ContainerPorts []int
	Domains        []string // empty for version 1
	Environment    []string
	Commands       []string
	ContainerData  string
	Hardware
	Tiered   bool
	Cumulus  Hardware // what a node of a tier gives, if Tiered
	Nimbus   Hardware
	Stratus  Hardware
	RepoAuth secret.Text
	Secrets  secret.Text
}

// Hardware is what a container may use.
type Hardware struct {
	CPU float64 // cores
	RAM float64 // MB
	HDD float64 // GB
}

// Parse reads a specification without coercing anything: a member of another
// type, or one that is missing, is an error. Unknown members are an error of
// [Spec.Verify]. An error is a *fault.Error.
func Parse(raw []byte) (*Spec, error) {
	v, err := jsjson.Decode(raw, maxDepth)
	if err != nil {
		return nil, invalid("Invalid Flux App Specifications")
	}
	return parse(v)
}

// Canonical returns the text that is signed and hashed.
func (s *Spec) Canonical() []byte { return s.form.Encode() }

// Older returns the canonical text in the order of members that old releases
// used, or nil if they used today's. Messages hashed and signed over it are
// still accepted, after the canonical text failed.
func (s *Spec) Older() []byte {
	switch {
	case s.Version <= 3:
		form := s.form
		form.Members = swapped(form.Members, "owner", "repotag")
		return form.Encode()
	case s.Version == 7:
		form := jsjson.ObjectValue(slices.Clone(s.form.Members))
		compose := jsjson.ArrayValue(slices.Clone(s.form.Get("compose").List))
		for i := range compose.List {
			compose.List[i].Members = swapped(compose.List[i].Members, "repoauth", "secrets")
		}
		form.Set("compose", compose)
		return form.Encode()
	default:
		return nil
	}
}

// swapped returns members with two of them, which follow each other, exchanged.
func swapped(members []jsjson.Member, a, b string) []jsjson.Member {
	members = slices.Clone(members)
	for i := range members[1:] {
		if members[i].Name == a && members[i+1].Name == b {
			members[i], members[i+1] = members[i+1], members[i]
		}
	}
	return members
}

// IsEnterprise reports whether a part of the specification is encrypted, or was.
func (s *Spec) IsEnterprise() bool { return s.Enterprise != "" }

// Sealed reports whether the encrypted part is missing: the components are
// unknown, and [Spec.Verify] can say nothing.
func (s *Spec) Sealed() bool { return s.IsEnterprise() && len(s.Components) == 0 }

// Open returns the specification with the decrypted content of its enterprise
// part, a JSON object with the members contacts and compose.
func (s *Spec) Open(plain []byte) (*Spec, error) {
	content, err := jsjson.Decode(plain, maxDepth)
	if err != nil || content.Kind != jsjson.Object {
		return nil, invalid("Invalid enterprise specification")
	}
	v := jsjson.ObjectValue(slices.Clone(s.form.Members))
	v.Set("contacts", content.Get("contacts"))
	v.Set("compose", content.Get("compose"))
	if v, err = format(v); err != nil {
		return nil, err
	}
	return parse(v)
}

// whole reports whether n is an integer that fits an int.
func whole(n float64) bool { return n == math.Trunc(n) && math.Abs(n) <= 1<<53 }

// parser reads members and keeps the first failure.
type parser struct {
	in  jsjson.Value
	who string // " for Flux App component x", in the texts of failures
	err error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = invalid(format, args...)
	}
}

func (p *parser) text(name string) string {
	v := p.in.Get(name)
	if v.Kind != jsjson.Text {
		p.fail("Invalid %s%s. Only text allowed.", name, p.who)
	}
	return v.Text
}

// number reads null as NaN, which is how JSON prints NaN.
func (p *parser) number(name string) float64 {
	v := p.in.Get(name)
	switch v.Kind {
	case jsjson.Number:
		return v.Number
	case jsjson.Null:
	default:
		p.fail("Invalid %s%s. Only number allowed.", name, p.who)
	}
	return math.NaN()
}

func (p *parser) integer(name string) int {
	n := p.number(name)
	if !whole(n) {
		p.fail("Invalid %s%s. Only whole number allowed.", name, p.who)
		return 0
	}
	return int(n)
}

func (p *parser) boolean(name, failure string) bool {
	v := p.in.Get(name)
	if v.Kind != jsjson.Boolean {
		p.fail("%s", failure)
	}
	return v.Bool
}

func (p *parser) texts(name string) []string {
	v := p.in.Get(name)
	if v.Kind != jsjson.Array {
		p.fail("Invalid %s%s. Only array allowed.", name, p.who)
	}
	out := make([]string, len(v.List))
	for i, e := range v.List {
		if e.Kind != jsjson.Text {
			p.fail("Invalid %s%s. Only array of texts allowed.", name, p.who)
		}
		out[i] = e.Text
	}
	return out
}

// numbers reads an array of whole numbers.
func (p *parser) numbers(name, what string) []int {
	v := p.in.Get(name)
	if v.Kind != jsjson.Array {
		p.fail("%s%s are invalid", what, p.who)
	}
	out := make([]int, len(v.List))
	for i, e := range v.List {
		switch {
		case e.Kind != jsjson.Number && (e.Kind != jsjson.Null || name == "containerPorts"):
			p.fail("%s%s are invalid", what, p.who)
		case !whole(e.Number) || e.Kind == jsjson.Null:
			p.fail("%s%s are invalid decimals", what, p.who)
		default:
			out[i] = int(e.Number)
		}
	}
	return out
}

func (p *parser) hardware(tier string) Hardware {
	return Hardware{CPU: p.decimals("cpu" + tier), RAM: p.decimals("ram" + tier), HDD: p.decimals("hdd" + tier)}
}

// decimals reads a number that is printed with at most eight decimals.
func (p *parser) decimals(name string) float64 {
	n := p.number(name)
	if !fewDecimals(n) {
		p.fail("Invalid HW specifications decimal limits")
	}
	return n
}

func fewDecimals(n float64) bool {
	const most = 8
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return false
	}
	if n == math.Trunc(n) {
		return true
	}
	printed := jsjson.NumberText(n)
	dot := slices.Index([]byte(printed), '.')
	return dot < 0 || len(printed)-dot-1 <= most
}

func parse(v jsjson.Value) (*Spec, error) {
	if v.Kind != jsjson.Object {
		return nil, invalid("Invalid Flux App Specifications")
	}
	switch v.Get("version").Kind {
	case jsjson.Undefined:
		return nil, missing("version")
	case jsjson.Number:
	default:
		return nil, invalid("Flux App message version specification is invalid")
	}
	version := v.Get("version").Number
	if !whole(version) || version < 1 || version > LatestVersion {
		return nil, invalid("Flux App message version specification is invalid")
	}
	p := parser{in: v}
	s := &Spec{Version: int(version), Name: p.text("name"), Description: p.text("description"), Owner: p.text("owner"), Instances: minInstances}
	if version <= 3 {
		s.Components = []Component{p.single(s)}
	} else {
		s.Components = p.compose(s)
	}
	if version >= 3 {
		s.Instances = p.integer("instances")
	}
	if version >= 5 {
		s.Contacts, s.Geolocation = p.texts("contacts"), p.texts("geolocation")
	}
	if version >= 6 {
		s.Expire = p.integer("expire")
	}
	if version >= 7 {
		s.Nodes = p.texts("nodes")
		s.StaticIP = p.boolean("staticip", "Invalid staticip specification. Only boolean as true or false allowed.")
	}
	if version >= 8 {
		if v.Get("datacenter").Kind != jsjson.Undefined {
			s.Datacenter = p.boolean("datacenter", "Invalid datacenter specification. Only boolean as true or false allowed.")
		}
		switch e := v.Get("enterprise"); {
		case e.Kind == jsjson.Undefined || e.Kind == jsjson.Null:
			p.fail("Missing Flux App specification parameter enterprise")
		case e.Kind == jsjson.Text:
			s.Enterprise = e.Text
		case e.Kind != jsjson.Boolean || e.Bool:
			p.fail("Invalid enterprise specification")
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	s.take(v)
	return s, nil
}

// take keeps the canonical form of v and notes the first unknown member.
func (s *Spec) take(v jsjson.Value) {
	version := float64(s.Version)
	note := func(in jsjson.Value, known []string, failure func(name string) error) {
		for _, m := range in.Members {
			if s.unknown == nil && !slices.Contains(known, m.Name) {
				s.unknown = failure(m.Name)
			}
		}
	}
	known := topMembers(version, v.Get("tiered").Bool)
	note(v, known, func(name string) error {
		if s.Version < LatestVersion {
			return invalid("Unsupported parameter for v%d app specifications", s.Version)
		}
		return invalid("Unsupported parameter for v%d app specifications: %s", s.Version, name)
	})
	s.form = pick(v, known)
	compose := v.Get("compose")
	if s.Version < 4 {
		return
	}
	list := jsjson.ArrayValue(make([]jsjson.Value, len(compose.List)))
	for i, c := range compose.List {
		known := componentMembers(version, c.Get("tiered").Bool)
		note(c, known, func(name string) error {
			return invalid("Unsupported parameter for v%d app specifications in component: %s", s.Version, name)
		})
		list.List[i] = pick(c, known)
	}
	s.form.Set("compose", list)
}

// single reads the container of versions 1 to 3.
func (p *parser) single(s *Spec) Component {
	c := Component{Name: s.Name, Description: s.Description, Repotag: p.text("repotag"), Domains: []string{}}
	if s.Version == 1 {
		c.Ports, c.ContainerPorts = []int{p.integer("port")}, []int{p.integer("containerPort")}
	} else {
		c.Ports, c.ContainerPorts = p.portTexts("ports"), p.portTexts("containerPorts")
		c.Domains = p.texts("domains")
	}
	c.Environment, c.Commands = p.texts("enviromentParameters"), p.texts("commands")
	c.ContainerData = p.text("containerData")
	c.Hardware = p.hardware("")
	c.Tiered = p.boolean("tiered", badTiered)
	p.tiers(&c)
	return c
}

// portTexts reads ports that are written as texts. One that is no whole number
// becomes -1, which is in no range.
func (p *parser) portTexts(name string) []int {
	list := p.texts(name)
	out := make([]int, len(list))
	for i, s := range list {
		if n := textNumber(s); whole(n) {
			out[i] = int(n)
		} else {
			out[i] = -1
		}
	}
	return out
}

func (p *parser) tiers(c *Component) {
	if c.Tiered {
		c.Cumulus, c.Nimbus, c.Stratus = p.hardware("basic"), p.hardware("super"), p.hardware("bamf")
	}
}

func (p *parser) compose(s *Spec) []Component {
	compose := p.in.Get("compose")
	if compose.Kind != jsjson.Array {
		p.fail("Missing Flux App specification parameter compose")
	}
	out := make([]Component, len(compose.List))
	for i, v := range compose.List {
		if v.Kind != jsjson.Object {
			p.fail("Invalid Flux App Specifications")
			continue
		}
		q := parser{in: v, who: " for Flux App component " + v.Get("name").Text}
		c := Component{Name: q.text("name"), Description: q.text("description"), Repotag: q.text("repotag")}
		c.Ports = q.numbers("ports", "Ports")
		c.Domains = q.texts("domains")
		c.Environment, c.Commands = q.texts("environmentParameters"), q.texts("commands")
		c.ContainerPorts = q.numbers("containerPorts", "Container Ports")
		c.ContainerData = q.text("containerData")
		c.Hardware = q.hardware("")
		if s.Version < 8 {
			c.Tiered = q.boolean("tiered", badTiered)
			q.tiers(&c)
		}
		if s.Version >= 7 {
			c.RepoAuth = secret.New(q.text("repoauth"))
		}
		if s.Version == 7 {
			c.Secrets = secret.New(q.text("secrets"))
		}
		out[i] = c
		if p.err == nil {
			p.err = q.err
		}
	}
	return out
}
