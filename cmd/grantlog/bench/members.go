package bench

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// memberCount is how many servers form a cluster: the fewest that survive the
// loss of one.
const memberCount = 3

// members are the servers of a cluster, on empty directories.
type members struct {
	all   []*server
	admin credentials
}

// serveCluster starts a cluster and waits until every member is ready. each
// gives further arguments of one member.
func (r *run) serveCluster(ctx context.Context, each func() ([]string, error)) (m *members, err error) {
	m = &members{}
	defer func() {
		if err != nil {
			m.stop()
		}
	}()
	key := filepath.Join(r.dir, "master.key")
	text := base64.StdEncoding.EncodeToString([]byte(rand.Text() + rand.Text())[:32])
	if err := os.WriteFile(key, []byte(text), 0o600); err != nil {
		return m, err
	}
	listens, routes := make([]string, memberCount), make([]string, memberCount)
	for i := range memberCount {
		if listens[i], err = freeAddress(); err != nil {
			return m, err
		}
		routes[i] = "nats://" + listens[i]
	}
	for i := range memberCount {
		dir, err := r.dataDir()
		if err != nil {
			return m, err
		}
		more, err := each()
		if err != nil {
			return m, err
		}
		p, err := r.spawn(ctx, "serve", append([]string{
			"--data", dir, "--issuer", benchIssuer, "--master-key-file", key, "--cluster-name", "bench",
			"--cluster-listen", listens[i], "--cluster-routes", strings.Join(routes, ","),
		}, more...)...)
		if err != nil {
			return m, err
		}
		m.all = append(m.all, &server{process: p, dir: dir})
	}
	for _, s := range m.all {
		if err := s.ready(ctx); err != nil {
			return m, err
		}
	}
	return m, m.readAdmin()
}

// readAdmin finds the administrator, whom one of the members made.
func (m *members) readAdmin() error {
	for _, s := range m.all {
		admin, err := readAdmin(s.dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		m.admin = admin
		for _, s := range m.all {
			s.admin = admin
		}
		return nil
	}
	return errors.New("no member made the administrator")
}

func (m *members) stop() {
	for _, s := range m.all {
		s.stop()
	}
}

// processes are what a load is spread over.
func (m *members) processes() (all []*process) {
	for _, s := range m.all {
		all = append(all, s.process)
	}
	return all
}
