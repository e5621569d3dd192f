package projections

import (
	"strings"

	"github.com/grantlog/grantlog/events"
)

// Route is what an organization's catalogue and upstreams say of a call.
type Route struct {
	// Known: some route has the path, for whatever method.
	Known bool
	// Scopes open the call: any of them, in the catalogue's order. Those of
	// the longest route of the method count, and of no shorter one.
	Scopes []string
	// Upstream is where the gateway sends it; nil: nowhere.
	Upstream *events.Upstream
}

// own are the paths that the server answers itself: no upstream has them.
var own = []string{"/oauth", "/service", "/.well-known", "/api/v1/authentications"}

// Route finds a call's route. path is one that CleanPath returned. A route of
// GET is one of HEAD too.
func (o *Organization) Route(method, path string) (r Route) {
	if o.routes == nil {
		return Route{}
	}
	o.routes.scopes.each(path, func(at *place) bool {
		r.Known = true
		r.Scopes = at.scopes[method]
		if r.Scopes == nil && method == "HEAD" {
			r.Scopes = at.scopes["GET"]
		}
		return r.Scopes == nil
	})
	if isOwn(path) {
		return r
	}
	o.routes.upstreams.each(path, func(at *place) bool {
		r.Upstream = at.upstream
		return false
	})
	return r
}

func under(path, base string) bool {
	return strings.HasPrefix(path, base) && (len(path) == len(base) || path[len(base)] == '/')
}

// routes is an organization's catalogue and upstreams in the form in which
// calls are looked up. It never changes.
type routes struct {
	scopes    pathTable
	upstreams pathTable
}

// compile returns the organization's routes, nil without any.
func (o *Organization) compile() *routes {
	if len(o.Scopes) == 0 && len(o.Upstreams) == 0 {
		return nil
	}
	r := &routes{}
	for _, s := range o.Scopes {
		for _, route := range s.Routes {
			method, pattern, _ := strings.Cut(route, " ")
			at := r.scopes.at(pattern)
			if at.scopes == nil {
				at.scopes = map[string][]string{}
			}
			at.scopes[method] = append(at.scopes[method], s.Name)
		}
	}
	for i := range o.Upstreams {
		for _, pattern := range o.Upstreams[i].Paths {
			if at := r.upstreams.at(pattern); at.upstream == nil {
				at.upstream = &o.Upstreams[i]
			}
		}
	}
	return r
}

// pathTable finds what patterns say of a path.
type pathTable struct {
	exact map[string]*place // whole paths
	below map[string]*place // what stands before /*
	depth int               // most slashes of a key of below
}

// place is what stands at a pattern.
type place struct {
	scopes   map[string][]string // by method
	upstream *events.Upstream
}

// at returns the place of a pattern.
func (t *pathTable) at(pattern string) *place {
	if t.exact == nil {
		t.exact, t.below = map[string]*place{}, map[string]*place{}
	}
	table := t.exact
	base, wild := strings.CutSuffix(pattern, "/*")
	if wild {
		table, t.depth = t.below, max(t.depth, strings.Count(base, "/"))
	}
	if table[base] == nil {
		table[base] = &place{}
	}
	return table[base]
}

// each visits the places that have a path, the longest pattern first, as long
// as visit returns true.
func (t *pathTable) each(path string, visit func(*place) bool) {
	if at := t.exact[path]; at != nil && !visit(at) {
		return
	}
	for base, ok := cutDepth(path, t.depth), true; ok; base, ok = parent(base) {
		if at := t.below[base]; at != nil && !visit(at) {
			return
		}
	}
}

// cutDepth returns the part of a path that has at most n segments.
func cutDepth(path string, n int) string {
	for i := range len(path) {
		if path[i] == '/' {
			if n == 0 {
				return path[:i]
			}
			n--
		}
	}
	return path
}

// parent cuts the last segment off; nothing stands above "".
func parent(path string) (string, bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", false
	}
	return path[:i], true
}
