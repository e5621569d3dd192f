package projections

import "io"

// DecodeHead reads where a state stands that Frozen.Encode wrote, and nothing
// else of it: the state that it returns has a Position, a Chain and a Time, and
// is good for nothing more.
func DecodeHead(r io.Reader) (*State, error) {
	in, err := newSectionReader(r)
	if err != nil {
		return nil, err
	}
	kind, body, err := in.next()
	switch {
	case err != nil:
		return nil, err
	case kind != sectionHead:
		return nil, malformed("not exactly one head")
	}
	d := decoder{state: New()}
	return d.state, d.head(body)
}
