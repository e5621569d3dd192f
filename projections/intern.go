package projections

// interned gives equal values one small number, for as long as they are used.
// 0 is the zero value and is never counted.
type interned[T comparable] struct {
	numbers map[T]uint32
	values  []counted[T]
	free    []uint32
}

type counted[T comparable] struct {
	value T
	uses  int
}

func newInterned[T comparable]() interned[T] {
	return interned[T]{numbers: map[T]uint32{}, values: make([]counted[T], 1)}
}

func (p *interned[T]) value(n uint32) T { return p.values[n].value }

func (p *interned[T]) find(v T) (uint32, bool) {
	var zero T
	n, ok := p.numbers[v]
	return n, ok || v == zero
}

// acquire counts one more use of v. If v is new, own(v) is what is kept. guess
// is a number that acquire gave before: where it is that of v, it saves a search.
func (p *interned[T]) acquire(v T, guess uint32, own func(T) T) uint32 {
	var zero T
	if v == zero {
		return 0
	}
	if c := &p.values[guess]; c.value == v {
		c.uses++
		return guess
	}
	if n, ok := p.numbers[v]; ok {
		p.values[n].uses++
		return n
	}
	v = own(v)
	var n uint32
	if last := len(p.free) - 1; last >= 0 {
		n, p.free = p.free[last], p.free[:last]
		p.values[n] = counted[T]{v, 1}
	} else {
		n = uint32(len(p.values))
		p.values = append(p.values, counted[T]{v, 1})
	}
	p.numbers[v] = n
	return n
}

// release undoes one acquire.
func (p *interned[T]) release(n uint32) {
	if n == 0 {
		return
	}
	c := &p.values[n]
	if c.uses--; c.uses == 0 {
		delete(p.numbers, c.value)
		*c = counted[T]{}
		p.free = append(p.free, n)
	}
}
