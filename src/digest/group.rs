//! Sentences that tell the same matter, brought together across articles.

use std::collections::HashMap;

use super::item::{Item, Pair, Relation};

/// Items of different articles that tell one matter.
#[derive(Debug, Default, Clone)]
pub struct Group<'p> {
    /// Their indices, at least two, at most one an article.
    pub items: Vec<usize>,
    /// The pairs that they form, all of them.
    pub pairs: Vec<&'p Pair>,
}

/// Joins the most alike first. Two groups are joined only where each item of one is paired with
/// each of the other (complete linkage), so that no chain of small steps leads to something else.
pub fn group<'p>(items: &[Item<'_>], pairs: &'p [Pair]) -> Vec<Group<'p>> {
    let paired: HashMap<[usize; 2], &Pair> = pairs.iter().map(|p| (p.items, p)).collect();
    let pair_of = |i: usize, j: usize| paired.get(&[i.min(j), i.max(j)]).copied();
    let article = |i: usize| items.get(i).map(|item| item.article);
    let mut groups: Vec<Group<'p>> = Vec::new();
    let mut group_of: HashMap<usize, usize> = HashMap::new();
    for pair in pairs {
        let [a, b] = pair.items.map(|i| {
            *group_of.entry(i).or_insert_with(|| {
                groups.push(Group { items: vec![i], pairs: Vec::new() });
                groups.len() - 1
            })
        });
        let (Some(ours), Some(theirs)) = (groups.get(a), groups.get(b)) else { continue };
        let across = || ours.items.iter().flat_map(|i| theirs.items.iter().map(|j| (*i, *j)));
        if a == b || across().any(|(i, j)| article(i) == article(j)) {
            continue;
        }
        let Some(new) = across().map(|(i, j)| pair_of(i, j)).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let joined = groups.get_mut(b).map(std::mem::take).unwrap_or_default();
        for item in &joined.items {
            group_of.insert(*item, a);
        }
        if let Some(group) = groups.get_mut(a) {
            group.items.extend(joined.items);
            group.pairs.extend(joined.pairs);
            group.pairs.extend(new);
        }
    }
    groups.retain(|group| group.items.len() > 1);
    for group in &mut groups {
        group.items.sort_unstable();
    }
    groups
}

impl Group<'_> {
    /// Its items in sides: those of one side agree with one another. One side where all agree.
    pub fn sides(&self) -> Vec<Vec<usize>> {
        let mut sides: Vec<Vec<usize>> = Vec::new();
        for item in &self.items {
            let fits = |side: &Vec<usize>| side.iter().all(|other| self.agree(*item, *other));
            match sides.iter_mut().find(|side| fits(side)) {
                Some(side) => side.push(*item),
                None => sides.push(vec![*item]),
            }
        }
        sides
    }

    fn agree(&self, i: usize, j: usize) -> bool {
        let items = [i.min(j), i.max(j)];
        self.pairs.iter().any(|p| p.items == items && matches!(p.relation, Relation::Agree))
    }
}
