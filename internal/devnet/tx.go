package devnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Transaction formats of the chain.
const (
	saplingVersion      = 4
	saplingVersionGroup = 0x892f2085
	nodeVersion         = 5 // FluxNode start and confirm transactions
	overwinteredBit     = 1 << 31
)

// Kinds of a version 5 transaction.
const (
	nodeStart   byte = 2
	nodeConfirm byte = 4
)

// coin is one FLUX in satoshi.
const coin = 100_000_000

// maxMoney is the sanity limit of any amount, in satoshi.
const maxMoney = 440_000_000 * coin

// maxTxSize bounds a transaction in bytes.
const maxTxSize = 102_000

type outPoint struct {
	Hash  hash
	Index uint32
}

// String is how the daemon names a node's collateral.
func (o outPoint) String() string { return fmt.Sprintf("COutPoint(%s, %d)", o.Hash, o.Index) }

type txIn struct {
	Prev     outPoint
	Script   []byte
	Sequence uint32
}

type txOut struct {
	Value  int64 // satoshi
	Script []byte
}

// nodeData is the body of a version 5 transaction.
type nodeData struct {
	Kind       byte
	Collateral outPoint
	OwnerKey   []byte // start: public key that owns the collateral
	Key        []byte // start: public key the node signs with
	SigTime    uint32
	Sig        []byte // not part of the transaction id
	Tier       byte   // confirm: 1 cumulus, 2 nimbus, 3 stratus
	BenchTime  uint32
	Update     byte // confirm: 0 first, 1 later
	IP         string
	BenchSig   []byte // not part of the transaction id
}

// shielded is carried through decoding and encoding untouched: the devnet
// shows shielded transactions but neither checks nor relays them.
type shielded struct {
	ValueBalance int64
	Spends       [][]byte // 384 bytes each
	Outputs      [][]byte // 948 bytes each
	JoinSplits   [][]byte // 1698 bytes each
	JoinSplitKey []byte   // key and signature, 96 bytes
	BindingSig   []byte   // 64 bytes
}

// tx is a transaction. It doesn't change once sealed, so that it may be
// read without the chain's lock.
type tx struct {
	Version  int32
	In       []txIn
	Out      []txOut
	LockTime uint32
	Expiry   uint32    // height after which it can't be mined; 0 never
	Shielded *shielded // nil when there is none
	Node     *nodeData // version 5 only

	id   hash
	size int
}

// seal computes the id; the transaction must not change afterwards.
func (t *tx) seal() *tx {
	raw := t.encode(true)
	t.size = len(raw)
	if t.Version == nodeVersion {
		raw = t.encode(false)
	}
	t.id = sha256d(raw)
	return t
}

func (t *tx) isCoinbase() bool {
	return len(t.In) == 1 && t.In[0].Prev == outPoint{Index: 0xffffffff}
}

// encode gives the wire bytes; without signatures only the id of a version 5
// transaction is computed from it.
func (t *tx) encode(signatures bool) []byte {
	le := binary.LittleEndian
	if t.Version == nodeVersion {
		return t.encodeNode(signatures)
	}
	b := make([]byte, 0, 256)
	if t.Version == saplingVersion {
		b = le.AppendUint32(b, overwinteredBit|saplingVersion)
		b = le.AppendUint32(b, saplingVersionGroup)
	} else {
		b = le.AppendUint32(b, uint32(t.Version))
	}
	b = appendCount(b, len(t.In))
	for _, in := range t.In {
		b = appendOutPoint(b, in.Prev)
		b = appendBytes(b, in.Script)
		b = le.AppendUint32(b, in.Sequence)
	}
	b = appendCount(b, len(t.Out))
	for _, out := range t.Out {
		b = appendOut(b, out)
	}
	b = le.AppendUint32(b, t.LockTime)
	if t.Version != saplingVersion {
		return b
	}
	b = le.AppendUint32(b, t.Expiry)
	s := t.Shielded
	if s == nil {
		s = new(shielded)
	}
	b = le.AppendUint64(b, uint64(s.ValueBalance))
	for _, list := range [][][]byte{s.Spends, s.Outputs, s.JoinSplits} {
		b = appendCount(b, len(list))
		for _, item := range list {
			b = append(b, item...)
		}
	}
	b = append(b, s.JoinSplitKey...)
	return append(b, s.BindingSig...)
}

func (t *tx) encodeNode(signatures bool) []byte {
	le, n := binary.LittleEndian, t.Node
	b := le.AppendUint32(nil, nodeVersion)
	b = append(b, n.Kind)
	b = appendOutPoint(b, n.Collateral)
	if n.Kind == nodeStart {
		b = appendBytes(b, n.OwnerKey)
		b = appendBytes(b, n.Key)
		b = le.AppendUint32(b, n.SigTime)
		if signatures {
			b = appendBytes(b, n.Sig)
		}
		return b
	}
	b = le.AppendUint32(b, n.SigTime)
	b = append(b, n.Tier)
	b = le.AppendUint32(b, n.BenchTime)
	b = append(b, n.Update)
	b = appendBytes(b, []byte(n.IP))
	if signatures {
		b = appendBytes(b, n.Sig)
		b = appendBytes(b, n.BenchSig)
	}
	return b
}

func appendCount(b []byte, n int) []byte {
	switch {
	case n < 0xfd:
		return append(b, byte(n))
	case n <= 0xffff:
		return binary.LittleEndian.AppendUint16(append(b, 0xfd), uint16(n))
	default:
		return binary.LittleEndian.AppendUint32(append(b, 0xfe), uint32(n))
	}
}

func appendBytes(b, v []byte) []byte { return append(appendCount(b, len(v)), v...) }

func appendOutPoint(b []byte, o outPoint) []byte {
	return binary.LittleEndian.AppendUint32(append(b, o.Hash[:]...), o.Index)
}

func appendOut(b []byte, out txOut) []byte {
	return appendBytes(binary.LittleEndian.AppendUint64(b, uint64(out.Value)), out.Script)
}

// errTruncated covers every length that points past the end.
var errTruncated = errors.New("transaction ends too early")

// decodeTx reads one transaction that fills b exactly: versions 1 and 2
// (transparent), 4 (Sapling) and 5 (FluxNode start and confirm).
func decodeTx(b []byte) (*tx, error) {
	if len(b) > maxTxSize {
		return nil, fmt.Errorf("transaction of %d bytes is larger than %d", len(b), maxTxSize)
	}
	r := &reader{b: b}
	t := new(tx)
	switch head := r.uint32(); {
	case r.err != nil:
		return nil, r.err
	case head == overwinteredBit|saplingVersion:
		t.Version = saplingVersion
		if group := r.uint32(); r.err == nil && group != saplingVersionGroup {
			return nil, fmt.Errorf("unknown version group %08x", group)
		}
	case head == 1, head == 2, head == nodeVersion:
		t.Version = int32(head)
	default:
		return nil, fmt.Errorf("unknown transaction version %08x: known are 1, 2, 4 (Sapling) and 5 (FluxNode)", head)
	}
	if t.Version == nodeVersion {
		t.Node = r.node()
	} else {
		r.body(t)
	}
	if r.err != nil {
		return nil, r.err
	}
	if len(r.b) != 0 {
		return nil, fmt.Errorf("%d bytes follow the transaction", len(r.b))
	}
	return t.seal(), nil
}

// reader consumes b; after the first error every read gives zero.
type reader struct {
	b   []byte
	err error
}

func (r *reader) body(t *tx) {
	const smallestIn, smallestOut = 41, 9
	for range r.count(smallestIn) {
		t.In = append(t.In, txIn{Prev: r.outPoint(), Script: r.bytes(), Sequence: r.uint32()})
	}
	for range r.count(smallestOut) {
		out := txOut{Value: int64(r.uint64()), Script: r.bytes()}
		if out.Value < 0 || out.Value > maxMoney {
			r.fail(fmt.Errorf("output value %d is outside 0..%d", out.Value, int64(maxMoney)))
		}
		t.Out = append(t.Out, out)
	}
	t.LockTime = r.uint32()
	if t.Version != saplingVersion {
		return
	}
	t.Expiry = r.uint32()
	s := &shielded{ValueBalance: int64(r.uint64())}
	s.Spends = r.list(384)
	s.Outputs = r.list(948)
	s.JoinSplits = r.list(1698)
	if len(s.JoinSplits) > 0 {
		s.JoinSplitKey = r.take(96)
	}
	if len(s.Spends)+len(s.Outputs) > 0 {
		s.BindingSig = r.take(64)
	}
	if s.ValueBalance != 0 || len(s.Spends)+len(s.Outputs)+len(s.JoinSplits) > 0 {
		t.Shielded = s
	}
}

func (r *reader) node() *nodeData {
	n := &nodeData{Kind: r.byte(), Collateral: r.outPoint()}
	switch n.Kind {
	case nodeStart:
		n.OwnerKey, n.Key, n.SigTime, n.Sig = r.bytes(), r.bytes(), r.uint32(), r.bytes()
	case nodeConfirm:
		n.SigTime, n.Tier, n.BenchTime, n.Update = r.uint32(), r.byte(), r.uint32(), r.byte()
		n.IP, n.Sig, n.BenchSig = string(r.bytes()), r.bytes(), r.bytes()
	default:
		r.fail(fmt.Errorf("unknown FluxNode transaction type %d: known are 2 (start) and 4 (confirm)", n.Kind))
	}
	return n
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) take(n int) []byte {
	if r.err != nil || n > len(r.b) {
		r.fail(errTruncated)
		return nil
	}
	v := slices.Clone(r.b[:n])
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if v := r.take(4); v != nil {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if v := r.take(8); v != nil {
		return binary.LittleEndian.Uint64(v)
	}
	return 0
}

// count reads a length and checks that so many items of at least size bytes
// can still follow, so that no foreign number decides an allocation. Lengths
// must be written in their shortest form.
func (r *reader) count(size int) int {
	n := uint64(r.byte())
	var width, least uint64
	switch n {
	case 0xfd:
		width, least = 2, 0xfd
	case 0xfe:
		width, least = 4, 0x10000
	case 0xff:
		r.fail(errors.New("a length takes more than four bytes"))
		return 0
	}
	if width > 0 {
		n = 0
		for i, c := range r.take(int(width)) {
			n |= uint64(c) << (8 * i)
		}
		if r.err == nil && n < least {
			r.fail(errors.New("a length is not in its shortest form"))
		}
	}
	if r.err != nil || n > uint64(len(r.b)/size) {
		r.fail(errTruncated)
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte { return r.take(r.count(1)) }

func (r *reader) list(size int) [][]byte {
	var out [][]byte
	for range r.count(size) {
		out = append(out, r.take(size))
	}
	return out
}

func (r *reader) outPoint() outPoint {
	var o outPoint
	copy(o.Hash[:], r.take(len(o.Hash)))
	o.Index = r.uint32()
	return o
}
