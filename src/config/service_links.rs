//! The variables that Kubernetes gives every container of a namespace for each of its services. Those of a service called `diaflight`, or
//! `diaflight-sources`, begin as our settings do, and are none.

/// Ends of the names of a port's address in the form of Docker's links.
const PARTS: [&str; 3] = ["PROTO", "PORT", "ADDR"];
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// Whether a variable, without its first word `DIAFLIGHT_`, is one of those that the kubelet makes for a service: `SERVICE_HOST`,
/// `SERVICE_PORT`, `SERVICE_PORT_<name of a port>`, `PORT` (a URL) and `PORT_<number>_<protocol>`, the latter also with `_PROTO`, `_PORT`
/// and `_ADDR`. More words may come before them. The value has to fit, too, so that a mistyped setting is still refused.
pub(super) fn is_one(setting: &str, value: &str) -> bool {
    let words: Vec<_> = setting.split('_').collect();
    let is_number = |text: &str| text.parse::<u16>().is_ok();
    (0..words.len()).any(|start| match &words[start..] {
        ["SERVICE", "HOST"] => !value.is_empty(),
        ["SERVICE", "PORT", ..] => is_number(value),
        ["PORT"] => is_link(value),
        ["PORT", number, protocol, rest @ ..] => {
            let named = PROTOCOLS.iter().any(|known| known.eq_ignore_ascii_case(protocol));
            let known = match rest {
                [] => is_link(value),
                [part] => PARTS.contains(part),
                _ => false,
            };
            is_number(number) && named && known
        }
        _ => false,
    })
}

/// Whether a value is the URL of a port, such as `tcp://10.0.0.11:8080`.
fn is_link(value: &str) -> bool {
    value.split_once("://").is_some_and(|(scheme, _)| PROTOCOLS.contains(&scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_services_are_known_by_name_and_value() {
        for (setting, value) in [
            ("SERVICE_HOST", "10.0.0.11"),
            ("SERVICE_PORT", "8080"),
            ("SERVICE_PORT_HTTP", "8080"),
            ("SERVICE_PORT_GRPC_TLS", "8080"),
            ("PORT", "tcp://10.0.0.11:8080"),
            ("PORT_8080_TCP", "tcp://10.0.0.11:8080"),
            ("PORT_8080_TCP_PROTO", "tcp"),
            ("PORT_8080_TCP_PORT", "8080"),
            ("PORT_8080_TCP_ADDR", "10.0.0.11"),
            ("PORT_53_UDP_ADDR", "10.0.0.11"),
            ("SOURCES_SERVICE_HOST", "fd00::1"),
            ("SOURCES_PORT_8080_TCP_ADDR", "10.0.0.11"),
            ("MY_SQL_PORT", "sctp://[fd00::1]:8080"),
        ] {
            assert!(is_one(setting, value), "{setting}={value}");
        }
        for (setting, value) in [
            ("PORT", "8080"),
            ("LISTEN_PORT", "8080"),
            ("SERVICE_PORT", "http"),
            ("SERVICE_HOST", ""),
            ("SERVICE", "10.0.0.11"),
            ("HOST", "10.0.0.11"),
            ("PORT_HTTP", "tcp://10.0.0.11:8080"),
            ("PORT_8080_TCP_ADRR", "10.0.0.11"),
            ("WEARHOUSE", "tcp://10.0.0.11:8080"),
        ] {
            assert!(!is_one(setting, value), "{setting}={value}");
        }
    }
}
