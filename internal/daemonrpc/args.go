package daemonrpc

// Source says where a request carries a parameter. Values of the path and the
// query are text, values of the body are what its JSON decoded to.
type Source uint8

const (
	InPath Source = iota
	InQuery
	InBody
)

// Kind is the conversion a parameter goes through on its way into the call.
type Kind uint8

const (
	// Any passes the value on as it came.
	Any Kind = iota
	// String takes text as it is; any other value becomes its JSON text.
	String
	// Number is ECMAScript Number(); what is not a number becomes null. Plain
	// decimals keep the digits of the caller.
	Number
	// Bool reads true, "true", 1, "1" and their opposites; anything else is null.
	Bool
	// Object takes an object or array, its JSON text, or query-string text
	// (key=value&…, all values text); anything else becomes {}.
	Object
	// Array takes an array or its JSON text; anything else is passed on as it came.
	Array
	// List is comma separated text, sent as an array of text.
	List
	// Single is one text, sent as an array of one.
	Single
)

var kindNames = [...]string{"any", "string", "number", "boolean", "object", "array", "list", "single"}

// String gives the kind's name as API descriptions use it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Arg is one positional argument of an RPC and how a request gives it.
type Arg struct {
	Name string   // of the parameter: path segment, query parameter or body member
	Also []string // further names accepted in the query or the body
	Kind Kind

	// Required: without it the call is made as Endpoint.Missing says.
	Required bool
	// Optional: left out when not given. A gap before a later argument is sent as null.
	Optional bool
	// Default is sent when the parameter is not given: text, int, bool, json.Number,
	// an empty []any, or BlocksAhead.
	Default any
	// Const is always sent; the argument then has no name and reads nothing.
	Const any

	// QueryOnly: the path segment, if there is one of that name, is not read.
	QueryOnly bool
	// After names an optional argument without which this one is not sent.
	After string

	// As is the member's name in the object it becomes part of, if it is not Name.
	As string
	// Members makes the argument one object, built of these parameters; with a
	// Name, a parameter of that name is taken first.
	Members []Arg
}

// BlocksAhead is a default: the current height plus so many blocks.
type BlocksAhead int64

// The constructors below keep the table readable: one word per fact.

func arg(kind Kind, name string) Arg { return Arg{Name: name, Kind: kind, Optional: true} }

func str(name string) Arg  { return arg(String, name) }
func num(name string) Arg  { return arg(Number, name) }
func flag(name string) Arg { return arg(Bool, name) }
func obj(name string) Arg  { return arg(Object, name) }

// fixed is an argument that is always sent with the same value.
func fixed(value any) Arg { return Arg{Const: value} }

// object is one argument built of several parameters, sent always.
func object(members ...Arg) Arg { return Arg{Kind: Object, Members: members} }

func (a Arg) must() Arg { a.Required, a.Optional = true, false; return a }

func (a Arg) or(value any) Arg { a.Default, a.Optional = value, false; return a }

func (a Arg) also(names ...string) Arg { a.Also = names; return a }

func (a Arg) as(member string) Arg { a.As = member; return a }

func (a Arg) after(name string) Arg { a.After = name; return a }

func (a Arg) query() Arg { a.QueryOnly = true; return a }
