package identity

import "basalt/server/api"

// Named gives a principal by name, as the keys and the policy are now, for work that goes on after
// the request that asked for it: nothing is done for somebody who would be refused by now. Without
// a policy, whoever has no key any more is nobody.
func (s *Store) Named(name, key string) (*Principal, *api.Error) {
	snap := s.live.Get()
	if snap.policy == nil && !snap.keys.have(name) {
		return nil, api.Errorf(api.Forbidden, "%s has no key any more", name)
	}
	return snap.principal(name, key)
}

func (ks *keys) have(principal string) bool {
	for _, k := range ks.access {
		if k.principal == principal {
			return true
		}
	}
	for _, list := range ks.bearer {
		for _, k := range list {
			if k.principal == principal {
				return true
			}
		}
	}
	return false
}
