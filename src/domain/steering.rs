//! Files of a repository that steer the agents which work in it: instructions, tools, hooks.
//!
//! They count as the default branch has them. On another branch an outsider's pull request, or an
//! agent that was swayed before, may have changed them, and the next agent would obey before it has
//! read its brief.

use crate::domain::change::RepoPath;

/// Names of files and directories, at any depth, in lower case; one that ends in `*` is how a name
/// begins.
const NAMES: [&str; 52] = [
    // Instructions that agents read by themselves.
    "agents.md",
    "agents.override.md",
    "agent.md",
    "claude.md",
    "claude.local.md",
    "gemini.md",
    "qwen.md",
    "crush.md",
    "warp.md",
    "conventions.md",
    "copilot-instructions.md",
    ".goosehints*",
    ".rules",
    // Settings, tools, commands and hooks of agents.
    ".agent",
    ".agents",
    ".aider*",
    ".amazonq",
    ".amp",
    ".augment*",
    ".claude*",
    ".cline*",
    ".codex",
    ".continue*",
    ".crush*",
    ".cursor*",
    ".factory",
    ".gemini*",
    ".goose",
    ".junie",
    ".kilocode*",
    ".kiro",
    ".opencode",
    ".openhands*",
    ".qwen*",
    ".roo*",
    ".trae",
    ".windsurf*",
    "crush.json",
    "opencode.json",
    "opencode.jsonc",
    // Servers of tools, which agents start.
    ".mcp.json",
    "mcp.json",
    // What editors run when they open a directory; agents in editors' clothes do as well.
    ".idea",
    ".vscode",
    ".zed",
    // What git and the programs around it run by themselves.
    ".envrc",
    ".githooks",
    ".git-hooks",
    ".husky",
    ".lefthook*",
    "lefthook*",
    ".pre-commit-config.yaml",
];

/// Paths from the root, in lower case; each with what is below it.
const PATHS: [&str; 5] = [
    ".config/goose",
    ".github/agents",
    ".github/chatmodes",
    ".github/instructions",
    ".github/prompts",
];

/// Tells whether a path steers agents. Case does not count, since some file systems ignore it.
#[must_use]
pub fn steers(path: &RepoPath) -> bool {
    let path = String::from_utf8_lossy(path.as_bytes()).to_lowercase();
    let named = |part: &str| {
        NAMES.iter().any(|name| match name.strip_suffix('*') {
            Some(beginning) => part.starts_with(beginning),
            None => part == *name,
        })
    };
    let below = |root: &&str| {
        let rest = path.strip_prefix(*root);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    path.split('/').any(named) || PATHS.iter().any(|root| below(&root))
}

/// Tells whether two changes cannot both be made: one is where the other is, above it or below it.
#[must_use]
pub fn collide(one: &RepoPath, other: &RepoPath) -> bool {
    let below = |path: &[u8], root: &[u8]| {
        let rest = path.strip_prefix(root);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    let (one, other) = (one.as_bytes(), other.as_bytes());
    below(one, other) || below(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_agents_obey_is_known_at_any_depth_and_in_any_case() {
        for path in [
            "CLAUDE.md",
            "sub/dir/Claude.MD",
            ".claude/settings.json",
            "packages/a/.claude/hooks/run.sh",
            "AGENTS.md",
            "GEMINI.md",
            ".mcp.json",
            ".cursor/rules/a.mdc",
            ".cursorrules",
            ".windsurfrules",
            ".codex/config.toml",
            ".gemini/settings.json",
            ".qwen/x",
            ".opencode/agent/x.md",
            "opencode.json",
            ".aider.conf.yml",
            ".goosehints",
            ".github/copilot-instructions.md",
            ".github/instructions/a.instructions.md",
            ".vscode/tasks.json",
            ".idea/workspace.xml",
            ".husky/pre-commit",
            ".githooks/post-checkout",
        ] {
            assert!(steers(&RepoPath::new(path)), "{path}");
        }
    }

    #[test]
    fn other_files_are_not() {
        for path in [
            "README.md",
            "src/claude.rs",
            "docs/agents.mdx",
            ".github/workflows/ci.yml",
            ".github/instructions.md",
            "idea",
            "vscode/x",
            "docs/CLAUDE.md.txt",
            ".gitignore",
        ] {
            assert!(!steers(&RepoPath::new(path)), "{path}");
        }
        assert!(steers(&RepoPath::new(b".claude/\xff".to_vec())));
    }

    #[test]
    fn a_change_collides_with_what_it_replaces() {
        let with = |path: &str| collide(&RepoPath::new(path), &RepoPath::new(".claude/a"));
        assert!(with(".claude/a") && with(".claude") && with(".claude/a/b"));
        assert!(!with(".claude/b") && !with(".claude/ab") && !with("a"));
    }
}
