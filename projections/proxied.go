package projections

// Proxied reports whether some organization has an upstream for a path, one
// that CleanPath returned. Which organization's counts, a call's token says.
func (p *Organizations) Proxied(path string) (found bool) {
	if isOwn(path) {
		return false
	}
	for _, o := range p.byID {
		if o.routes == nil {
			continue
		}
		o.routes.upstreams.each(path, func(*place) bool {
			found = true
			return false
		})
		if found {
			return true
		}
	}
	return false
}

// isOwn reports whether the server answers a path itself.
func isOwn(path string) bool {
	for _, p := range own {
		if under(path, p) {
			return true
		}
	}
	return false
}
