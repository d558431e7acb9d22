"""Who may speak to whom under NetworkPolicies: the rules of `networking.k8s.io/v1`, for pods and outside addresses."""

import dataclasses
import ipaddress


@dataclasses.dataclass(frozen=True)
class Pod:
    """Labels as pairs, so that it can be a key."""

    namespace: str
    labels: tuple
    namespace_labels: tuple = ()


@dataclasses.dataclass(frozen=True)
class Outside:
    """An address that is no pod's."""

    address: str


class Network:
    def __init__(self, policies, namespace):
        self.policies = policies
        self.namespace = namespace

    def allows(self, source, target, port, protocol="TCP"):
        """Whether the source may open a connection: its egress and the target's ingress must both say so."""
        return self._passes(source, target, port, protocol, "Egress") and self._passes(
            target, source, port, protocol, "Ingress"
        )

    def _passes(self, subject, peer, port, protocol, direction):
        if isinstance(subject, Outside) or subject.namespace != self.namespace:
            return True  # not ours to police
        applying = [
            policy["spec"]
            for policy in self.policies
            if direction in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], subject.labels)
        ]
        if not applying:
            return True  # Kubernetes' default for a pod that no policy selects
        rules = [rule for spec in applying for rule in spec.get(direction.lower(), [])]
        return any(
            self._peer_matches(rule.get("from" if direction == "Ingress" else "to"), peer)
            and port_matches(rule.get("ports"), port, protocol)
            for rule in rules
        )

    def _peer_matches(self, peers, peer):
        return not peers or any(self._one_matches(entry, peer) for entry in peers)

    def _one_matches(self, entry, peer):
        if "ipBlock" in entry:
            return isinstance(peer, Outside) and in_block(entry["ipBlock"], peer.address)
        if isinstance(peer, Outside):
            return False
        if "namespaceSelector" in entry:
            if not selects(entry["namespaceSelector"], peer.namespace_labels):
                return False
        elif peer.namespace != self.namespace:
            return False
        return selects(entry.get("podSelector", {}), peer.labels)


def selects(selector, labels):
    labels = dict(labels)
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions") or []:
        if expression["operator"] != "In":
            raise NotImplementedError(expression["operator"])
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


def port_matches(ports, port, protocol):
    return not ports or any(
        entry.get("protocol", "TCP") == protocol and entry["port"] <= port <= entry.get("endPort", entry["port"])
        for entry in ports
    )


def in_block(block, address):
    address = ipaddress.ip_address(address)

    def within(cidr):
        network = ipaddress.ip_network(cidr)
        return network.version == address.version and address in network

    return within(block["cidr"]) and not any(map(within, block.get("except", [])))
