//! Everything that the command line of `cluster create` can say. Lists are in the order of the command line.

/// `None` and empty lists: not given. Texts are as typed; what they mean is found out by merging.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CreateFlags {
    /// The positional argument.
    pub name: Option<String>,
    pub api_port: Option<String>,
    pub env: Vec<String>,
    pub volumes: Vec<String>,
    pub ports: Vec<String>,
    pub k3s_node_labels: Vec<String>,
    pub runtime_labels: Vec<String>,
    pub runtime_ulimits: Vec<String>,
    pub registry_create: Option<String>,
    pub enforce_registry_port_match: bool,
    pub host_aliases: Vec<String>,
    pub k3s_args: Vec<String>,
    pub servers: Option<i64>,
    pub agents: Option<i64>,
    pub image: Option<String>,
    pub network: Option<String>,
    pub subnet: Option<String>,
    pub token: Option<String>,
    /// `true`, `false`, or `pods`, which waits for the pods of the system too.
    pub wait: Option<String>,
    pub timeout: Option<String>,
    pub kubeconfig_update_default: Option<bool>,
    pub kubeconfig_switch_context: Option<bool>,
    pub no_lb: Option<bool>,
    pub no_rollback: Option<bool>,
    pub gpus: Option<String>,
    pub servers_memory: Option<String>,
    pub agents_memory: Option<String>,
    pub host_pid_mode: Option<bool>,
    pub no_image_volume: Option<bool>,
    pub registry_use: Vec<String>,
    pub registry_config: Option<String>,
    /// Each may hold several, between commas.
    pub lb_config_override: Vec<String>,
}

impl std::fmt::Debug for CreateFlags {
    /// Tokens, variables and arguments may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateFlags")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
